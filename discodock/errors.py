"""The errors discodock raises on purpose; each message names the input and the remedy in one line."""


class DiscodockError(Exception):
    """Base of every error raised on purpose; the CLI prints its message alone and exits with 2."""


class InputError(DiscodockError):
    """A protein, ligand, pocket or folder that cannot be used as given."""


class ConfigError(DiscodockError):
    """A configuration value that is unknown, out of range or contradicts another one."""


class CheckpointError(DiscodockError):
    """Weights that are missing, damaged, or do not fit the configuration beside them."""


class PreparedDataError(DiscodockError):
    """A prepared data set that is missing, incomplete, or written by another schema version."""
