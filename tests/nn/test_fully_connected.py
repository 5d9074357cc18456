import pytest
import torch
from e3nn import o3
from torch.nn import functional as F

from discodock.nn import fully_connected
from discodock.nn.fully_connected import FULLY_CONNECTED, FullyConnectedConvolution, IrrepsEdges, feature_irreps

IRREPS_IN = feature_irreps(5, 3, 3)
IRREPS_OUT = o3.Irreps("4x0e + 2x1o + 3x1e + 6x0o")
IRREPS_SH = o3.Irreps("0e + 1o")
NUM_ATTR, NUM_SOURCES, NUM_TARGETS = 7, 9, 6
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6}  # e3nn's own constants have single precision


def random_inputs(seed: int, dtype: torch.dtype, num_edges: int = 80) -> tuple[torch.Tensor, torch.Tensor, IrrepsEdges]:
    torch.manual_seed(seed)
    vec = F.normalize(torch.randn(num_edges, 3, dtype=dtype), dim=-1)
    edges = IrrepsEdges(
        target=torch.randint(NUM_TARGETS, (num_edges,)),
        source=torch.randint(NUM_SOURCES, (num_edges,)),
        sh=harmonics(vec),
        attr=torch.randn(num_edges, NUM_ATTR, dtype=dtype),
    )
    return torch.randn(NUM_SOURCES, IRREPS_IN.dim, dtype=dtype), vec, edges


def harmonics(vec: torch.Tensor) -> torch.Tensor:
    return o3.spherical_harmonics(IRREPS_SH, vec, normalize=True, normalization="component")


def make(kind: str, dtype: torch.dtype, irreps_sh: o3.Irreps = IRREPS_SH) -> FullyConnectedConvolution:
    torch.manual_seed(0)
    convolution = FullyConnectedConvolution(IRREPS_IN, irreps_sh, IRREPS_OUT, NUM_ATTR, dropout=0.5, kind=kind)
    return convolution.to(dtype).eval()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", FULLY_CONNECTED)
def test_equivariant_under_rotation_and_reflection(kind, dtype, seed):
    features, vec, edges = random_inputs(seed, dtype)
    convolution = make(kind, dtype)
    out = convolution(features, edges, NUM_TARGETS)
    for rotmat in (o3.rand_matrix().to(dtype), -o3.rand_matrix().to(dtype)):
        turned = IrrepsEdges(edges.target, edges.source, harmonics(vec @ rotmat.T), edges.attr)
        found = convolution(features @ IRREPS_IN.D_from_matrix(rotmat).T, turned, NUM_TARGETS)
        expected = out @ IRREPS_OUT.D_from_matrix(rotmat).T
        torch.testing.assert_close(found, expected, atol=TOLERANCE[dtype], rtol=1e-4)
    assert all((block.abs() > 1e-3).any() for block in (out[:, s] for s in IRREPS_OUT.slices()))


@pytest.mark.parametrize(("nodes_at_once", "sh"), [(2, "0e + 1o"), (1000, "0e + 1o + 2e")])
@pytest.mark.parametrize("seed", range(5))
def test_factorised_sums_and_their_gradients_are_those_of_e3nn(seed, sh, nodes_at_once, monkeypatch):
    monkeypatch.setattr(fully_connected, "NODES_AT_ONCE", nodes_at_once)
    features, vec, edges = random_inputs(seed, torch.float64)
    edges = IrrepsEdges(edges.target, edges.source, o3.spherical_harmonics(sh, vec, True), edges.attr)
    results = []
    for kind in FULLY_CONNECTED:
        convolution = make(kind, torch.float64, o3.Irreps(sh))
        convolution.load_state_dict(make("e3nn", torch.float64, o3.Irreps(sh)).state_dict(), strict=False)
        leaf = features.clone().requires_grad_()
        out = convolution(leaf, edges, NUM_TARGETS)
        out.sin().sum().backward()
        weights = convolution.product.weights
        results.append([out, leaf.grad, weights.weight.grad, weights.bias.grad, convolution.hidden[0].weight.grad])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", FULLY_CONNECTED)
def test_permuting_nodes_and_edges_permutes_the_output(kind):
    features, _, edges = random_inputs(1, torch.float64)
    convolution = make(kind, torch.float64)
    order, sources, targets = torch.randperm(80), torch.randperm(NUM_SOURCES), torch.randperm(NUM_TARGETS)
    shuffled = IrrepsEdges(
        targets.argsort()[edges.target][order],
        sources.argsort()[edges.source][order],
        edges.sh[order],
        edges.attr[order],
    )
    found = convolution(features[sources], shuffled, NUM_TARGETS)
    torch.testing.assert_close(found, convolution(features, edges, NUM_TARGETS)[targets])


@pytest.mark.parametrize("kind", FULLY_CONNECTED)
def test_a_target_gets_the_mean_of_its_messages_and_nothing_without_edges(kind):
    features, _, edges = random_inputs(2, torch.float64, num_edges=3)
    convolution = make(kind, torch.float64)
    together = IrrepsEdges(torch.zeros(3, dtype=torch.int64), edges.source, edges.sh, edges.attr)
    apart = IrrepsEdges(torch.arange(3), edges.source, edges.sh, edges.attr)
    hidden = convolution.hidden(edges.attr)
    mean = convolution.product(features, hidden, together, NUM_TARGETS)
    torch.testing.assert_close(mean[0], convolution.product(features, hidden, apart, NUM_TARGETS)[:3].mean(dim=0))
    assert (mean[1:] == 0).all()


@pytest.mark.parametrize("kind", FULLY_CONNECTED)
def test_no_edges_at_all_give_zero_messages(kind):
    features, _, edges = random_inputs(3, torch.float64, num_edges=0)
    convolution = make(kind, torch.float64)
    assert (convolution.product(features, convolution.hidden(edges.attr), edges, NUM_TARGETS) == 0).all()


def test_training_normalises_messages_over_the_batch():
    features, _, edges = random_inputs(4, torch.float64)
    out = make("factorised", torch.float64).train()(features, edges, NUM_TARGETS)
    scalars = out[:, IRREPS_OUT.slices()[0]]
    torch.testing.assert_close(scalars.mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(scalars.var(dim=0, correction=0), torch.ones(4, dtype=torch.float64), atol=0.05, rtol=0)


@pytest.mark.parametrize("kind", FULLY_CONNECTED)
def test_nothing_is_kept_in_float64(kind):
    convolution = FullyConnectedConvolution(IRREPS_IN, IRREPS_SH, IRREPS_OUT, NUM_ATTR, dropout=0.5, kind=kind)
    assert torch.float64 not in {each.dtype for each in (*convolution.parameters(), *convolution.buffers())}
