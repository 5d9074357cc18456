"""What is done to sampled poses: relaxation methods, their settings, and what physics says of the result."""
