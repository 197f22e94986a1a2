"""Factor graphs: variables, factors, and orders to sum them out. Plain Python and numpy."""

from keras_struct.graphs.constructors import chain as chain
from keras_struct.graphs.constructors import complete as complete
from keras_struct.graphs.constructors import from_edges as from_edges
from keras_struct.graphs.constructors import grid as grid
from keras_struct.graphs.constructors import tree as tree
from keras_struct.graphs.elimination import buckets as buckets
from keras_struct.graphs.elimination import elimination_order as elimination_order
from keras_struct.graphs.elimination import treewidth_bound as treewidth_bound
from keras_struct.graphs.factor_graph import FactorGraph as FactorGraph
