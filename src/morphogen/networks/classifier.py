"""A small convolutional classifier: its probabilities say what a picture shows, its last hidden layer how alike two are.

h_0 = conv(x),  h_i = pool(relu(norm(conv(h_{i-1})))),  f = relu(linear(h)),  p(y | x) = softmax(linear(f))
"""

__all__ = ["Classifier"]

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.networks.residual import groups


class Classifier(Component, nn.Module):
    """Pictures to class logits, [B, C, H, W] -> [B, classes] (after LeNet, LeCun et al. 1998; norm: Wu & He 2018).

    Arguments:
        shape: (channels, height, width) of the picture.
        classes: how many there are.
        widths: channels of each convolution; the picture is halved after each but the first.
        hidden: width of the last hidden layer, the features.
        dropout: of the features, in training.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, widths: tuple[int, ...] = (24, 40, 48), hidden: int = 64, dropout: float = 0.2
    ):
        super().__init__()
        self.shape, self.classes, self.widths, self.hidden = tuple(shape), classes, tuple(widths), hidden
        self.dropout = dropout
        channels, height, width = self.shape
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, out in enumerate(self.widths):
            self.convs.append(nn.Conv2d(channels, out, 3, padding=1))
            self.norms.append(groups(out))
            channels = out
            if i:
                height, width = -(-height // 2), -(-width // 2)
        self.embed = nn.Linear(channels * height * width, hidden)
        self.classify = nn.Linear(hidden, classes)

    def features(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The last hidden layer."""
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(norm(conv(x)))
            x = F.avg_pool2d(x, 2, ceil_mode=True) if i else x
        return F.relu(self.embed(x.flatten(1)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        return self.classify(F.dropout(self.features(x), self.dropout, self.training))
