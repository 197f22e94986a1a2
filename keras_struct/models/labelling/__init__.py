"""Dense labelling: an encoder, an upsampling path, and a label for every pixel."""

from keras_struct.models.labelling.crf_as_rnn import CRFasRNN as CRFasRNN
from keras_struct.models.labelling.deconvnet import DeconvNet as DeconvNet
from keras_struct.models.labelling.deeplab import DeepLab as DeepLab
from keras_struct.models.labelling.fcn import FCN as FCN
from keras_struct.models.labelling.labelling_model import LabellingModel as LabellingModel
from keras_struct.models.labelling.options import LabellingOptions as LabellingOptions
from keras_struct.models.labelling.proposals import aggregate_proposals as aggregate_proposals
from keras_struct.models.labelling.unet import UNet as UNet
