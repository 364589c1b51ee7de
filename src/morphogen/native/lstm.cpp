// Sampling of an LSTM with skip connections (Graves 2013), token after token of each sequence.
//
//     e      = embedding of the last token + what the condition adds
//     i f g o = U^l e + V^l [h^(l-1), h^l] + b^l
//     c^l    = sigmoid(f) c^l + sigmoid(i) tanh(g),   h^l = sigmoid(o) tanh(c^l)
//     logits = W_o [h^1 .. h^L]
//
// The states h and c are [B, L, D], so that [h^(l-1), h^l] and [h^1 .. h^L] are vectors in memory, and a call
// continues where the one before it ended. A drawn end token, if there is one, ends its row. Sequences are
// divided among the threads, each of which takes its own through all positions.

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <atomic>

#include "dense.h"
#include "draw.h"

namespace {

struct Lstm {
  int64_t width, depth, added_row;
  const float *embedding, *added, *bias;
  std::vector<Matrix> input, recurrent;
  Linear head;
};

// Rows begin .. end of the batch, each from its position first to the last; whether all is finite.
bool run(const Lstm& n, const Draws& draws, float* h, float* c, int64_t begin, int64_t end, int64_t first,
         int64_t last) {
  const int64_t rows = end - begin, d = n.width, state = n.depth * d, pad = padded(d);
  Floats e(rows * d), gates(rows * 4 * pad), logits(rows * n.head.matrix.width);
  h += begin * state, c += begin * state;
  for (int64_t t = first; t < last; ++t) {
    bool wanted = false;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = begin + r, start = draws.vocabulary;
      const int64_t token = t ? std::max<int64_t>(draws.token(row, t - 1), 0) : start;
      wanted |= draws.wanted(row, t);
      for (int64_t j = 0; j < d; ++j)
        e[r * d + j] = n.embedding[token * d + j] + n.added[row * n.added_row + j];
    }
    for (int64_t l = 0; l < n.depth; ++l) {
      for (int64_t i = 0; i < rows * 4; ++i) std::copy_n(n.bias + (l * 4 + i % 4) * d, d, &gates[i * pad]);
      accumulate(e.data(), d, rows, n.input[l], gates.data(), 4 * pad);
      accumulate(h + std::max<int64_t>(l - 1, 0) * d, state, rows, n.recurrent[l], gates.data(), 4 * pad);
      for (int64_t r = 0; r < rows; ++r) {
        const float *i = &gates[r * 4 * pad], *f = i + pad, *g = f + pad, *o = g + pad;
        float *cell = c + r * state + l * d, *out = h + r * state + l * d;
        for (int64_t j = 0; j < d; j += LANES) {
          const Vector old = load(cell + j, d - j);
          const Vector now = sigmoid(load(f + j)) * old + gate(load(g + j), load(i + j));
          store(cell + j, now, d - j);
          store(out + j, gate(now, load(o + j)), d - j);
        }
      }
    }
    if (wanted) n.head.apply(h, state, rows, logits.data());
    for (int64_t r = 0; r < rows; ++r)
      if (!draws.decide(begin + r, t, &logits[r * n.head.matrix.width])) return false;
    if (draws.finished(begin, end)) break;
  }
  return true;
}

// Draw the tokens first .. last; returns whether all logits were finite and all tokens known.
at::Tensor draw_all(const at::Tensor& tokens, const at::Tensor& uniforms, const at::Tensor& h,
                    const at::Tensor& c, const at::Tensor& ended, const at::Tensor& embedding,
                    const at::Tensor& added, at::TensorList input, at::TensorList recurrent,
                    const at::Tensor& bias, const at::Tensor& head_weight, const at::Tensor& head_bias,
                    int64_t end, int64_t first, int64_t last, double temperature) {
  TORCH_CHECK(embedding.dim() == 2 && added.dim() == 2 && input.size() == recurrent.size() && !input.empty(),
              "lstm: wrong number of layers");
  const int64_t vocabulary = embedding.size(0) - 1, d = embedding.size(1), depth = int64_t(input.size());
  Draws draws(tokens, uniforms, vocabulary, temperature);
  draws.end_with(end, ended);
  draws.check(first, last);
  const int64_t rows = draws.rows;
  TORCH_CHECK(added.size(0) == rows || added.size(0) == 1, "lstm: a vector to add for each row, or for all");
  floats(h, {rows, depth, d}, "h"), floats(c, {rows, depth, d}, "c");
  Lstm n{d, depth, added.size(0) == 1 ? 0 : d, floats(embedding, {vocabulary + 1, d}, "embedding"),
         floats(added, {added.size(0), d}, "added"), floats(bias, {depth, 4 * d}, "bias"), {}, {},
         Linear(head_weight, head_bias, vocabulary, depth * d)};
  for (int64_t l = 0; l < depth; ++l) {
    n.input.emplace_back(input[l], 4 * d, d, 4);
    n.recurrent.emplace_back(recurrent[l], 4 * d, l ? 2 * d : d, 4);
  }
  float *states = h.data_ptr<float>(), *cells = c.data_ptr<float>();
  std::atomic<bool> finite = true;
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t stop) {
    if (!run(n, draws, states, cells, begin, stop, first, last)) finite = false;
  });
  return at::empty({}, tokens.options().dtype(at::kBool)).fill_(finite.load());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def(
      "lstm_draw(Tensor(a!) tokens, Tensor uniforms, Tensor(b!) h, Tensor(c!) c, Tensor(d!) ended, "
      "Tensor embedding, Tensor added, Tensor[] input, Tensor[] recurrent, Tensor bias, Tensor head_weight, "
      "Tensor head_bias, int end, int first, int last, float temperature) -> Tensor");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("lstm_draw", &draw_all); }
