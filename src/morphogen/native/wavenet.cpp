// Sampling of a WaveNet (van den Oord et al. 2016), sample after sample of each sound.
//
//     g^l     = tanh(a) sigmoid(b),   [a, b] = W^l [h^l_(t - d), h^l_t] + bias^l_t
//     h^(l+1) = h^l + R^l g^l
//     logits  = W_3 relu(W_2 relu(W_1 [g^1 .. g^L]))
//
// ring [B, sum of d, C] holds h^l of the last d positions, position t in slot t % d of its layer, so that a
// call continues where the one before it ended. bias [B or 1, F, 2 C L] is what the layers and the condition
// add; it changes every `hold` positions. Sounds are divided among the threads, each of which takes its own
// through all positions. A step reads all weights once, for all its sounds, which takes most of the time.

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <atomic>

#include "dense.h"
#include "draw.h"

namespace {

struct WaveNet {
  const float *embedding, *bias;
  int64_t width, period, hold, bias_row, slots;
  std::vector<int64_t> dilations;
  std::vector<Matrix> gates, residuals;
  std::vector<Linear> outputs;

  int64_t layers() const { return int64_t(dilations.size()); }
};

// Rows begin .. end of the batch, each from its position first to the last; whether all is finite.
bool run(const WaveNet& n, const Draws& draws, float* ring, int64_t begin, int64_t end, int64_t first,
         int64_t last) {
  const int64_t rows = end - begin, c = n.width, layers = n.layers(), stride = c + padded(c);
  Floats windows(rows * stride), features(rows * 2 * padded(c)), gates(rows * layers * c);
  Floats skip(rows * n.outputs[0].matrix.width), hidden(rows * n.outputs[1].matrix.width);
  const int64_t logits_width = n.outputs[2].matrix.width;
  Floats logits(rows * logits_width);
  for (int64_t t = first; t < last; ++t) {
    bool wanted = false;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = begin + r;
      wanted |= draws.wanted(row, t);
      if (t > 0) std::copy_n(n.embedding + draws.token(row, t - 1) * c, c, &windows[r * stride + c]);
    }
    for (int64_t l = 0, offset = 0; l < layers; offset += n.dilations[l++]) {
      for (int64_t r = 0; r < rows; ++r) {
        float* slot = ring + ((begin + r) * n.slots + offset + t % n.dilations[l]) * c;
        float *window = &windows[r * stride], *y = &features[r * 2 * padded(c)];
        const float* bias = n.bias + (begin + r) * n.bias_row + t / n.hold * layers * 2 * c + l * 2 * c;
        std::copy_n(slot, c, window);
        std::copy_n(window + c, c, slot);
        std::copy_n(bias, c, y);
        std::copy_n(bias + c, c, y + padded(c));
      }
      accumulate(windows.data(), stride, rows, n.gates[l], features.data(), 2 * padded(c));
      for (int64_t r = 0; r < rows; ++r) {
        const float* y = &features[r * 2 * padded(c)];
        gate(y, y + padded(c), c, &gates[(r * layers + l) * c]);
      }
      if (l + 1 < layers)
        accumulate(&gates[l * c], layers * c, rows, n.residuals[l], &windows[c], stride);
    }
    if (wanted) {
      n.outputs[0].apply(gates.data(), layers * c, rows, skip.data());
      rectify(skip);
      n.outputs[1].apply(skip.data(), n.outputs[0].matrix.width, rows, hidden.data());
      rectify(hidden);
      n.outputs[2].apply(hidden.data(), n.outputs[1].matrix.width, rows, logits.data());
    }
    for (int64_t r = 0; r < rows; ++r)
      if (!draws.decide(begin + r, t, &logits[r * logits_width])) return false;
  }
  return true;
}

// Draw the tokens first .. last; returns whether all logits were finite and all tokens known.
at::Tensor draw_all(const at::Tensor& tokens, const at::Tensor& uniforms, const at::Tensor& ring,
                    const at::Tensor& embedding, at::TensorList gates, const at::Tensor& bias, int64_t hold,
                    at::TensorList residuals, at::TensorList weights, at::TensorList biases,
                    at::IntArrayRef dilations, int64_t first, int64_t last, double temperature) {
  const int64_t layers = int64_t(dilations.size()), vocabulary = embedding.size(0), c = embedding.size(1);
  const Draws draws(tokens, uniforms, vocabulary, temperature);
  draws.check(first, last);
  const int64_t rows = draws.rows, skip = weights[0].size(0);
  TORCH_CHECK(layers > 0 && int64_t(gates.size()) == layers && int64_t(residuals.size()) == layers - 1 &&
                  weights.size() == 3 && biases.size() == 3 && bias.dim() == 3,
              "wavenet: wrong number of layers");
  TORCH_CHECK(bias.size(0) == rows || bias.size(0) == 1, "wavenet: a bias for each row, or for all");
  TORCH_CHECK(hold > 0 && bias.size(1) * hold >= last, "wavenet: the biases do not cover the sound");
  WaveNet n{floats(embedding, {vocabulary, c}, "embedding"),
            floats(bias, {bias.size(0), bias.size(1), 2 * c * layers}, "bias"), c, 0, hold};
  n.bias_row = bias.size(0) == 1 ? 0 : bias.stride(0);
  n.dilations = dilations.vec();
  n.slots = 0;
  for (const int64_t d : dilations) n.slots += d;
  for (const at::Tensor& weight : gates) n.gates.emplace_back(weight, 2 * c, 2 * c, 2);
  for (const at::Tensor& weight : residuals) n.residuals.emplace_back(weight, c, c);
  n.outputs.emplace_back(weights[0], biases[0], skip, layers * c);
  n.outputs.emplace_back(weights[1], biases[1], skip, skip);
  n.outputs.emplace_back(weights[2], biases[2], vocabulary, skip);
  floats(ring, {rows, n.slots, c}, "ring");
  float* past = ring.data_ptr<float>();
  std::atomic<bool> finite = true;
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    if (!run(n, draws, past, begin, end, first, last)) finite = false;
  });
  return at::empty({}, tokens.options().dtype(at::kBool)).fill_(finite.load());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "wavenet_draw(Tensor(a!) tokens, Tensor uniforms, Tensor(b!) ring, Tensor embedding, Tensor[] gates, "
      "Tensor bias, int hold, Tensor[] residuals, Tensor[] weights, Tensor[] biases, int[] dilations, "
      "int first, int last, float temperature) -> Tensor");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("wavenet_draw", &draw_all); }
