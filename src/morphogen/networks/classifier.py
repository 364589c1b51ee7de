"""A small convolutional image classifier, for class probabilities and as a feature extractor.

h_0 = conv(x),  h_i = pool(relu(norm(conv(h_{i-1})))),  f = relu(linear(h)),  p(y | x) = softmax(linear(f))
"""

__all__ = ["Classifier"]

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.networks.residual import group_norm


class Classifier(Component, nn.Module):
    """Convolutional classifier, [B, C, H, W] -> logits [B, classes].

    After LeNet (LeCun et al. 1998), with group normalisation (Wu & He 2018).

    Arguments:
        shape: (channels, height, width) of the image.
        classes: number of classes.
        widths: channels of each convolution; pooling halves the image after each but the first.
        hidden: width of the last hidden layer, which is the feature vector.
        dropout: of the features, during training.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        widths: tuple[int, ...] = (24, 40, 48),
        hidden: int = 64,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.shape, self.classes, self.widths, self.hidden = tuple(shape), classes, tuple(widths), hidden
        self.dropout = dropout
        channels, height, width = self.shape
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, out in enumerate(self.widths):
            self.convs.append(nn.Conv2d(channels, out, 3, padding=1))
            self.norms.append(group_norm(out))
            channels = out
            if i:
                height, width = -(-height // 2), -(-width // 2)
        self.embed = nn.Linear(channels * height * width, hidden)
        self.classify = nn.Linear(hidden, classes)

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Activations of the last hidden layer."""
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(norm(conv(x)))
            x = F.avg_pool2d(x, 2, ceil_mode=True) if i else x
        return F.relu(self.embed(x.flatten(1)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        return self.classify(F.dropout(self.features(x), self.dropout, self.training))
