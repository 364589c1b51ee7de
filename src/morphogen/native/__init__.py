"""C++ kernels for CPUs, as operators `torch.ops.morphogen.NAME`; each has a twin with the same results.

adam.cpp            Adam with clipping and averaged weights      twin: `training/optimizers.py`
attention.cpp       attention, and attention_backward.cpp        twin: `networks/dot_product.py`
cross_entropy.cpp   cross-entropy over a vocabulary              twin: `numerics/cross_entropy.py`
decoder.cpp         one step of a decoder-only transformer       twin: `networks/transformer.py`
gated_pixelcnn.cpp  sampling of a Gated PixelCNN                 twin: `networks/gated_pixelcnn.py`
gram.cpp            products of centred features                 twin: `evaluation/frechet.py`
group_norm.cpp      group normalisation, and _backward.cpp       twin: `plain_group_norm` of `operators.py`
linear.cpp          products of quantized matrices               twin: `inference/packed.py`
lstm.cpp            sampling of an LSTM                          twin: `networks/recurrent.py`
made.cpp            steps of a masked autoregressive network     twin: `networks/made.py`
philox.cpp          keyed random numbers                         twin: `numerics/randomness.py`
wavenet.cpp         sampling of a WaveNet                        twin: `networks/wavenet.py`

A kernel is compiled for the processor at hand when it is first used, and kept in a cache (`compiler.py`).
Where that is impossible, the twin takes its place (`kernels.py`).
"""
