"""Floors inside keras_struct: imports point down, never in a circle; keras.ops only."""

from source_scan import Source, imports, package_sources

FLOORS = {
    "graphs": 0,
    "ops": 1,
    "inference": 2,
    "layers": 3,
    "losses": 4,
    "metrics": 4,
    "backbones": 5,
    "models": 6,
    "training": 7,
}
# data lies beside the floors: of them it may use ops, and only training may use it.
DATA_MAY_USE = {"data", "ops"}
MAY_USE_DATA = {"data", "training"}
BACKEND_FREE = ("graphs", "ops", "inference", "layers", "losses", "backbones", "models")


def room(module):
    """The folder of a module inside keras_struct, "" for the package itself."""
    parts = module.split(".")
    return parts[1] if parts[0] == "keras_struct" and len(parts) > 1 else ""


def may_import(own, other):
    if own == other or "" in (own, other):
        return True
    if own == "data":
        return other in DATA_MAY_USE
    if other == "data":
        return own in MAY_USE_DATA
    return FLOORS[other] < FLOORS[own]


def floor_offenders(sources):
    offenders = []
    for source in sources:
        for found in imports(source):
            if not found.target.startswith("keras_struct."):
                continue
            own, other = room(source.module), room(found.target)
            if not may_import(own, other):
                offenders.append(f"{source.path}:{found.line} {own} imports {other}")
    return offenders


def tensorflow_offenders(sources):
    return [
        f"{source.path}:{found.line}"
        for source in sources
        for found in imports(source)
        if room(source.module) in BACKEND_FREE
        and found.top
        and found.target.partition(".")[0] == "tensorflow"
    ]


def import_cycles(sources):
    """Circles of modules that import each other while they are loaded, with their files."""
    modules = {source.module: source for source in sources}
    needs = {}
    for source in sources:
        targets = [found.target for found in imports(source) if found.top]
        names = [t if t in modules else t.rpartition(".")[0] for t in targets]
        needs[source.module] = [n for n in names if n in modules and n != source.module]
    done, cycles = set(), []

    def visit(module, path):
        if module in path:
            circle = path[path.index(module) :]
            cycles.append(" -> ".join(modules[name].path for name in [*circle, module]))
        elif module not in done:
            for name in needs[module]:
                visit(name, [*path, module])
            done.add(module)

    for module in modules:
        visit(module, [])
    return cycles


def test_every_room_has_a_floor():
    rooms = {room(source.module) for source in package_sources("keras_struct")}
    assert rooms - {"", "data"} <= set(FLOORS)


def test_imports_point_down_the_floors():
    assert floor_offenders(package_sources("keras_struct")) == []


def test_floors_below_training_use_keras_ops_only():
    assert tensorflow_offenders(package_sources("keras_struct")) == []


def test_no_module_needs_itself():
    for package in ("keras_struct", "keras_struct_export", "keras_struct_edge"):
        assert import_cycles(package_sources(package)) == []
    assert import_cycles(package_sources("keras_struct_tools")) == []


def module(name, text):
    return Source(name.rpartition(".")[2] + ".py", name, text)


def test_the_floor_check_can_fail():
    upward = module("keras_struct.ops.boxes", "x = 1\nfrom keras_struct.layers import anchors\n")
    sideways = module("keras_struct.losses.focal", "from ..metrics import coco\n")
    data = module("keras_struct.models.ssd", "import keras_struct.data.voc\n")
    assert floor_offenders([upward, sideways, data]) == [
        "boxes.py:2 ops imports layers",
        "focal.py:1 losses imports metrics",
        "ssd.py:1 models imports data",
    ]


def test_the_tensorflow_check_can_fail():
    source = module("keras_struct.ops.nms", "from tensorflow import image\n")
    inside = module("keras_struct.ops.warp", "def f():\n    import tensorflow\n")
    assert tensorflow_offenders([source, inside]) == ["nms.py:1"]


def test_the_cycle_check_can_fail():
    a = module("keras_struct.ops.a", "from keras_struct.ops import b\n")
    b = module("keras_struct.ops.b", "from keras_struct.ops.a import name\n")
    assert import_cycles([a, b]) == ["a.py -> b.py -> a.py"]
