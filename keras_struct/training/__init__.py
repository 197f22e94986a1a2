"""What a training needs around `model.fit`: evaluation, averages, pictures, and coming back.

Everything here works with plain `fit`; the `keras-struct train` command only puts it together.
"""

from keras_struct.training.averaging import averaged_weights as averaged_weights
from keras_struct.training.batch_predictor import BatchPredictor as BatchPredictor
from keras_struct.training.checkpoints import Checkpoints as Checkpoints
from keras_struct.training.curves import save_curves as save_curves
from keras_struct.training.drawing import draw_detections as draw_detections
from keras_struct.training.drawing import draw_label_maps as draw_label_maps
from keras_struct.training.evaluation import evaluate as evaluate
from keras_struct.training.evaluation import predictions as predictions
from keras_struct.training.gallery import save_gallery as save_gallery
from keras_struct.training.linear_heads import fit_linear_heads as fit_linear_heads
from keras_struct.training.rates import rate_factors as rate_factors
from keras_struct.training.reports import RunReports as RunReports
from keras_struct.training.resume import ExactResume as ExactResume
from keras_struct.training.scales import averaged_over_scales as averaged_over_scales
from keras_struct.training.schedules import cosine_schedule as cosine_schedule
from keras_struct.training.schedules import poly_schedule as poly_schedule
from keras_struct.training.tiles import TilePredictor as TilePredictor
from keras_struct.training.tiles import predict_tiles as predict_tiles
from keras_struct.training.validation import EarlyStopping as EarlyStopping
from keras_struct.training.validation import Evaluation as Evaluation
