"""The public names, written down: a name that comes or goes is a decision, not an accident."""

import importlib
import inspect

import pytest

PUBLIC = {
    "keras_struct": {
        *("backbones", "data", "graphs", "inference", "layers", "losses", "metrics", "models"),
        *("ops", "training", "__version__"),
    },
    "keras_struct.backbones": {"create", "create_in_two", "names"},
    "keras_struct.data": {
        *("Dataset", "DatasetError", "ElasticDeformation", "Proposals", "SSDAugmentation"),
        *(
            "SegmentationAugmentation",
            "border_weights",
            "camvid",
            "cityscapes",
            "class_frequencies",
        ),
        *(
            "coco",
            "label_map_to_original",
            "label_maps",
            "open",
            "selective_search",
            "shapes",
            "to_network",
            "to_original",
            "voc",
            "voc_segmentation",
        ),
    },
    "keras_struct.graphs": {
        *("FactorGraph", "buckets", "chain", "complete", "elimination_order", "from_edges"),
        *("grid", "tree", "treewidth_bound"),
    },
    "keras_struct.inference": {
        *("Beliefs", "alpha_expansion", "belief_propagation", "best_labels", "chained"),
        *("chained_map", "convex_beliefs", "eliminated", "eliminated_map", "eliminated_sample"),
        *("entropy", "factor_mean_field", "graph_cut", "infer", "label_logits", "m_best"),
        *("max_product", "mean_field", "moment_matched", "refine", "relaxed_map", "score"),
    },
    "keras_struct.layers": {
        *("AnchorDecoder", "BedOfNails", "BilinearConv2DTranspose", "ChainCRF", "CropTo"),
        *("DenseCRF", "GraphCRF"),
        *(
            "L2Normalization",
            "MaxPoolingWithSwitches",
            "MaxUnpooling",
            "NonMaxSuppression",
            "ResizeTo",
        ),
        *("PositionSensitiveRoIAlign", "PositionSensitiveRoIPool", "RegionWarp", "RoIAlign"),
        *("RoIPool", "SpatialPyramidPooling"),
    },
    "keras_struct.losses": {
        *("FocalClassLoss", "HardNegativeCrossEntropy", "ImageMean", "LOSSES", "LabelMapLoss"),
        *("LovaszSoftmax", "PixelCrossEntropy", "PixelFocal", "SmoothL1BoxLoss", "SoftDice"),
        *("assign_targets", "graph_loss"),
    },
    "keras_struct.metrics": {"DetectionMetrics", "SegmentationMetrics", "average_precision"},
    "keras_struct.models": {
        *(
            "CRFasRNN",
            "DeconvNet",
            "DeepLab",
            "FCN",
            "FastRCNN",
            "FasterRCNN",
            "MaskRCNN",
            "RCNN",
            "RFCN",
        ),
        *("SPPNet", "SSD", "StructuredModel", "UNet", "aggregate_proposals"),
        *("arguments", "create", "fit_default_boxes", "names", "task", "to_fully_convolutional"),
    },
    "keras_struct.ops": {
        *("boxes", "hard_negatives", "match_boxes", "non_max_suppression"),
        *("position_sensitive_roi_align", "position_sensitive_roi_pool", "region_warp"),
        *("roi_align", "roi_pool", "spatial_pyramid_pooling"),
    },
    "keras_struct.training": {
        *("BatchPredictor", "Checkpoints", "EarlyStopping", "Evaluation", "ExactResume"),
        *(
            "RunReports",
            "TilePredictor",
            "averaged_over_scales",
            "fit_linear_heads",
            "averaged_weights",
            "cosine_schedule",
        ),
        *("draw_detections", "draw_label_maps", "evaluate", "poly_schedule", "predict_tiles"),
        *("predictions", "rate_factors", "save_curves", "save_gallery"),
    },
    "keras_struct_edge": {"ArtefactError", "Detections", "Predictor", "Segmentation", "load"},
    "keras_struct_export": {"Comparison", "ExportError", "ExportReport", "Tolerance"}
    | {"compare", "export"},
}


def public_names(module):
    """What a module re-exports on purpose: everything but its own submodules and dunders."""
    own = {name for name, value in vars(module).items() if inspect.ismodule(value)}
    own -= {"boxes"}  # a module that is meant to be used as one
    return {name for name in vars(module) if not name.startswith("_")} - own


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "keras_struct"])
def test_names_are_the_written_ones(name):
    assert public_names(importlib.import_module(name)) == PUBLIC[name]


def test_the_package_lists_its_parts():
    import keras_struct

    assert set(dir(keras_struct)) == PUBLIC["keras_struct"]
    for name in PUBLIC["keras_struct"]:
        assert getattr(keras_struct, name)
    with pytest.raises(AttributeError, match="no attribute 'detectors'"):
        _ = keras_struct.detectors


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "keras_struct"])
def test_public_names_are_documented(name):
    module = importlib.import_module(name)
    for public in PUBLIC[name]:
        assert (getattr(module, public).__doc__ or "").strip(), f"{name}.{public}"


def test_missing_tensorflow_says_what_to_type(monkeypatch):
    import keras_struct

    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install keras-struct\[cpu\]"):
        keras_struct._check_backend()
