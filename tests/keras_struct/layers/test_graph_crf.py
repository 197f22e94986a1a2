import brute_graph
import keras
import numpy as np
import pytest
from keras import ops

from keras_struct import graphs
from keras_struct.inference.factor_graphs import elimination
from keras_struct.layers.graph_crf import ChainCRF, GraphCRF

GRID = graphs.grid(2, 3, 3)


@pytest.mark.agnostic
def test_labels_and_beliefs_are_those_of_inference():
    given = brute_graph.random_potentials(GRID, np.random.default_rng(1))
    mask = np.array([[1, 1, 1, 1, 1, 0], [1] * 6], "bool")
    for output in ("labels", "beliefs"):
        layer = GraphCRF(GRID, output)
        layer.build(given["unary"].shape)
        layer.tables["pairwise"].assign(given["pairwise"])
        found = layer(given["unary"], mask=mask)
        plain = (
            elimination.eliminated_map(GRID, given, mask)[0]
            if output == "labels"
            else elimination.eliminated(GRID, given, mask).unary
        )
        np.testing.assert_allclose(found, plain, atol=1e-5)


@pytest.mark.parametrize(
    "order, shared", [pytest.param(1, True, marks=pytest.mark.agnostic), (2, False)]
)
def test_a_saved_chain_comes_back_without_custom_objects(order, shared, tmp_path):
    unary = keras.Input((5, 3))
    layer = ChainCRF(order, shared, method_options={}, tables_regularizer="l2")
    model = keras.Model(unary, layer(unary))
    rng = np.random.default_rng(2)
    layer.tables["pairwise"].assign(rng.normal(size=layer.tables["pairwise"].shape))
    model.save(tmp_path / "chain.keras")
    loaded = keras.saving.load_model(tmp_path / "chain.keras")
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert model.output.shape == (None, 5) and len(loaded.losses) == 1
    for count in (1, 7):  # any batch
        assert loaded(np.zeros((count, 5, 3), "float32")).shape == (count, 5)


def test_tables_given_by_a_network():
    given = brute_graph.random_potentials(GRID, np.random.default_rng(3))
    tables = {"pairwise": np.repeat(given["pairwise"], 2, 0)}
    layer = GraphCRF(GRID, tables_from_network=True)
    found = layer(given["unary"], tables)
    np.testing.assert_array_equal(found, elimination.eliminated_map(GRID, given)[0])
    assert not layer.weights
    with pytest.raises(ValueError, match="`tables` must come with"):
        layer(given["unary"])
    with pytest.raises(ValueError, match="`tables` must not come with"):
        GraphCRF(GRID)(given["unary"], tables)


def test_a_masked_batch_is_each_row_alone():
    layer = ChainCRF(output="beliefs", tables_initializer="random_normal")
    x = np.random.default_rng(4).normal(size=(3, 6, 4)).astype("float32")
    lengths = np.array([6, 3, 1])
    mask = np.arange(6)[None] < lengths[:, None]
    found = ops.convert_to_numpy(layer(x, mask=mask))
    for row, length in enumerate(lengths):
        alone = ChainCRF(output="beliefs")
        alone.build((1, int(length), 4))
        for name, table in alone.tables.items():
            table.assign(layer.tables[name])
        np.testing.assert_allclose(
            found[row, :length], alone(x[row : row + 1, :length])[0], atol=1e-5
        )


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="`output` must be one of"):
        GraphCRF(GRID, "scores")
    with pytest.raises(ValueError, match="`method` must be one of"):
        GraphCRF(GRID, method="magic")
    with pytest.raises(ValueError, match="known number of steps"):
        ChainCRF()(keras.Input((None, 3)))
    with pytest.raises(ValueError, match="`mask` must be true for a first part"):
        ChainCRF()(np.zeros((1, 3, 2), "float32"), mask=np.array([[True, False, True]]))
