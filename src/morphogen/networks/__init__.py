"""Networks: architectures, independent of any probabilistic model."""

from typing import Any

from morphogen.lazy import resolve

_HOMES = {
    "ALiBi": "networks.relative_positions",
    "Attention": "networks.attention",
    "AttentionPooling": "networks.attention_pooling",
    "Block": "networks.blocks",
    "CausalConv": "networks.causal_conv",
    "Classifier": "networks.classifier",
    "ConcatCondition": "networks.concat_condition",
    "ConvDecoder": "networks.convnet",
    "ConvEncoder": "networks.convnet",
    "CouplingResNet": "networks.coupling_resnet",
    "CrossAttention": "networks.attention",
    "DenoisingTransformer": "networks.denoising_transformer",
    "DiT": "networks.dit",
    "DiagonalBiLSTM": "networks.pixelrnn",
    "DoubledChannels": "networks.doubled_channels",
    "Downsample": "networks.unet_designs",
    "Encoder": "networks.encoder",
    "FanInInit": "networks.initialization",
    "FeedForward": "networks.feed_forward",
    "FiLM": "networks.residual",
    "GatedPixelCNN": "networks.gated_pixelcnn",
    "GridAttention": "networks.attention",
    "GridTokenAttention": "networks.token_attention",
    "Head": "networks.transformer",
    "HorizontalConv": "networks.masked_conv",
    "Initializer": "networks.initialization",
    "KeyValues": "networks.attention",
    "Layer": "networks.blocks",
    "LayerNorm": "networks.normalization",
    "LearnedPositions": "networks.positions",
    "LinearScaling": "networks.relative_positions",
    "Llama3Scaling": "networks.relative_positions",
    "MLP": "networks.mlp",
    "MaskedConv": "networks.masked_conv",
    "NormalInit": "networks.initialization",
    "OrdinalEmbedding": "networks.ordinal_embedding",
    "ParallelBlock": "networks.blocks",
    "PixelCNNPP": "networks.pixelcnn_pp",
    "PixelStack": "networks.pixel_stack",
    "PositionBias": "networks.positions",
    "Positions": "networks.positions",
    "PostBlock": "networks.blocks",
    "RMSNorm": "networks.normalization",
    "Recurrent": "networks.recurrent",
    "RelativePositions": "networks.relative_positions",
    "ResNetCritic": "networks.resnet_gan",
    "ResNetGenerator": "networks.resnet_gan",
    "Residual": "networks.pixel_stack",
    "ResidualBlock": "networks.residual",
    "Rotary": "networks.relative_positions",
    "RowLSTM": "networks.pixelrnn",
    "Scaling": "networks.relative_positions",
    "ShiftedBlock": "networks.unet_designs",
    "SinusoidalPositions": "networks.positions",
    "SourceKeyValues": "networks.attention",
    "SwiGLU": "networks.feed_forward",
    "Tied": "networks.transformer",
    "TimeConditioned": "networks.time_conditioned",
    "TimeEmbedding": "networks.positions",
    "TokenAttention": "networks.token_attention",
    "TokenEmbedding": "networks.transformer",
    "Transformer": "networks.transformer",
    "UNet": "networks.unet",
    "Untied": "networks.transformer",
    "Upsample": "networks.unet_designs",
    "VerticalConv": "networks.masked_conv",
    "WaveNet": "networks.wavenet",
    "gpt2": "networks.decoders",
    "halvings": "networks.convnet",
    "llama": "networks.decoders",
    "palm": "networks.decoders",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    return resolve(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return __all__
