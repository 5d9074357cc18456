import pytest
import torch
from torch.nn import functional as F

from discodock.nn.convolution import CONVOLUTIONS, Convolution, Edges
from discodock.nn.features import Features
from tests.rotations import random_rotmat

NUM_SCALARS, NUM_VECTORS, NUM_ATTR = 8, 4, 5
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def random_inputs(seed: int, dtype: torch.dtype, num_edges: int = 60) -> tuple[Features, Features, Edges]:
    torch.manual_seed(seed)
    source = Features(torch.randn(7, NUM_SCALARS, dtype=dtype), torch.randn(7, 3, NUM_VECTORS, dtype=dtype))
    target = Features(torch.randn(6, NUM_SCALARS, dtype=dtype), torch.randn(6, 3, NUM_VECTORS, dtype=dtype))
    edges = Edges(
        target=torch.randint(6, (num_edges,)),
        source=torch.randint(7, (num_edges,)),
        unit_vec=F.normalize(torch.randn(num_edges, 3, dtype=dtype), dim=-1),
        attr=torch.randn(num_edges, NUM_ATTR, dtype=dtype),
        envelope=torch.rand(num_edges, dtype=dtype),
    )
    return source, target, edges


def make(kind: str, dtype: torch.dtype) -> Convolution:
    torch.manual_seed(0)
    return Convolution(NUM_SCALARS, NUM_VECTORS, NUM_ATTR, 16, mean_degree=10.0, kind=kind).to(dtype)


def rotate(features: Features, rotmat: torch.Tensor) -> Features:
    return Features(features.scalars, torch.einsum("ij,njv->niv", rotmat, features.vectors))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_equivariant_under_rotation_and_reflection(kind, dtype, seed):
    source, target, edges = random_inputs(seed, dtype)
    convolution = make(kind, dtype)
    out = convolution(convolution.project(source), target, edges)
    for rotmat in (random_rotmat(seed).to(dtype), -random_rotmat(seed).to(dtype)):
        turned_edges = Edges(edges.target, edges.source, edges.unit_vec @ rotmat.T, edges.attr, edges.envelope)
        turned = convolution(convolution.project(rotate(source, rotmat)), rotate(target, rotmat), turned_edges)
        expected = rotate(out, rotmat)
        torch.testing.assert_close(turned.scalars, expected.scalars, atol=TOLERANCE[dtype], rtol=1e-4)
        torch.testing.assert_close(turned.vectors, expected.vectors, atol=TOLERANCE[dtype], rtol=1e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", set(CONVOLUTIONS) - {"e3nn"})
def test_agrees_with_e3nn(kind, dtype, seed):
    source, target, edges = random_inputs(seed, dtype)
    reference, fast = make("e3nn", dtype), make(kind, dtype)
    weights = {name: value for name, value in fast.state_dict().items()}
    reference.load_state_dict(weights, strict=False)
    expected = reference(reference.project(source), target, edges)
    out = fast(fast.project(source), target, edges)
    torch.testing.assert_close(out.scalars, expected.scalars, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])
    torch.testing.assert_close(out.vectors, expected.vectors, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_weight_gradients_agree_with_e3nn(kind):
    source, target, edges = random_inputs(0, torch.float64)
    gradients = []
    for name in ("e3nn", kind):
        convolution = make(name, torch.float64)
        convolution.load_state_dict(make(kind, torch.float64).state_dict(), strict=False)
        out = convolution(convolution.project(source), target, edges)
        (out.scalars.square().sum() + out.vectors.square().sum()).backward()
        gradients.append(convolution.weights.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_permuting_nodes_and_edges_permutes_the_output(kind):
    source, target, edges = random_inputs(1, torch.float64)
    convolution = make(kind, torch.float64)
    out = convolution(convolution.project(source), target, edges)
    order, new_target, new_source = torch.randperm(60), torch.randperm(6), torch.randperm(7)
    shuffled = Edges(
        new_target.argsort()[edges.target][order],
        new_source.argsort()[edges.source][order],
        edges.unit_vec[order],
        edges.attr[order],
        edges.envelope[order],
    )
    permuted = convolution(convolution.project(source[new_source]), target[new_target], shuffled)
    torch.testing.assert_close(permuted.scalars, out.scalars[new_target])
    torch.testing.assert_close(permuted.vectors, out.vectors[new_target])


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_no_edges_give_zero(kind):
    source, target, edges = random_inputs(2, torch.float64, num_edges=0)
    convolution = make(kind, torch.float64)
    out = convolution(convolution.project(source), target, edges)
    assert out.scalars.shape == (6, NUM_SCALARS)
    assert (out.scalars == 0).all()
    assert (out.vectors == 0).all()


def test_message_vanishes_at_the_cutoff():
    source, target, edges = random_inputs(3, torch.float64)
    convolution = make("fused", torch.float64)
    cut = Edges(edges.target, edges.source, edges.unit_vec, edges.attr, torch.zeros_like(edges.envelope))
    assert (convolution(convolution.project(source), target, cut).vectors == 0).all()
