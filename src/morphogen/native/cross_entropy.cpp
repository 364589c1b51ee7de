// Cross-entropy of a softmax over a vocabulary, and its gradient, without the softmax in memory.
//
//     log Z  = log sum_v exp(x_v)
//     nll    = log Z - (1 - s) x_t - s mean_v x_v       t the target, s the smoothing; 0 if t is negative
//     dx_v   = g (exp(x_v - log Z) - (1 - s) [v = t] - s / V)
//
// Logits [N, V] in fp32 or bf16, row-major. 1024 values at a time are added in fp32, their sums in doubles.
// The gradient has the type of the logits, and reads them again. Rows are divided among the threads.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>

#include "vectors.h"

namespace {

constexpr float LOG2E = 1.44269504088896340736f, NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t BLOCK = 1024, GRAIN = 1 << 16;  // values of a sum in fp32; values that are worth a thread

struct Row {
  float log_z;
  double total;  // of the logits
};

template <typename T>
Row summary(const T* x, int64_t count) {
  const int64_t whole = count / LANES * LANES;
  Vector most = broadcast(-std::numeric_limits<float>::infinity());
  Integers strange = {};
  for (int64_t i = 0; i < whole; i += LANES) {
    const Vector v = load(x + i);
    most = max(v, most);
    strange |= v != v;
  }
  float largest = -std::numeric_limits<float>::infinity();
  bool finite = true;
  for (int lane = 0; lane < LANES; ++lane) {
    largest = std::max(largest, most[lane]);
    finite &= strange[lane] == 0;
  }
  for (int64_t i = whole; i < count; ++i) {
    finite &= x[i] == x[i];
    largest = std::max<float>(largest, x[i]);
  }
  if (!finite || !std::isfinite(largest)) return {NOT_A_NUMBER, 0};
  double z = 0, total = 0;
  for (int64_t first = 0; first < whole; first += BLOCK) {
    Vector part = {}, plain = {};
    for (int64_t i = first; i < std::min(first + BLOCK, whole); i += LANES) {
      const Vector v = load(x + i);
      part += exp2((v - largest) * LOG2E);
      plain += v;
    }
    z += sum(part), total += sum(plain);
  }
  for (int64_t i = whole; i < count; ++i) z += std::exp(float(x[i]) - largest), total += float(x[i]);
  return {float(largest + std::log(z)), total};
}

template <typename T>
void gradient_of(const T* x, int64_t count, int64_t target, float log_z, float g, double smoothing, T* out) {
  const float scale = log_z == log_z ? g : NOT_A_NUMBER, even = smoothing / count;
  for (int64_t i = 0; i < count; i += LANES)
    store(out + i, scale * (exp2((load(x + i, count - i) - log_z) * LOG2E) - even), count - i);
  const float p = std::exp(float(x[target]) - log_z);
  out[target] = scale * (p - float(1 - smoothing) - even);
}

// f(pointer to the logits) for their type
template <typename F>
void by_type(const at::Tensor& logits, const at::Tensor& targets, const F& f) {
  TORCH_CHECK(logits.dim() == 2 && logits.size(1) > 0 && logits.is_contiguous() && targets.is_contiguous() &&
                  targets.scalar_type() == at::kLong && targets.numel() == logits.size(0),
              "cross_entropy: logits [N, V] and int64 targets [N], contiguous");
  const int64_t* target = targets.const_data_ptr<int64_t>();
  for (int64_t n = 0; n < logits.size(0); ++n)
    TORCH_CHECK(target[n] < logits.size(1), "cross_entropy: target ", target[n], " of ", logits.size(1));
  if (logits.scalar_type() == at::kBFloat16) return f(logits.const_data_ptr<at::BFloat16>());
  TORCH_CHECK(logits.scalar_type() == at::kFloat, "cross_entropy: float32 or bfloat16 only");
  f(logits.const_data_ptr<float>());
}

std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& logits, const at::Tensor& targets,
                                           double smoothing) {
  const auto options = logits.options().dtype(at::kFloat);
  const int64_t rows = logits.size(0), count = logits.size(1);
  const at::Tensor nll = at::empty({rows}, options), log_z = at::empty({rows}, options);
  by_type(logits, targets, [&]<typename T>(const T* x) {
    const int64_t* target = targets.const_data_ptr<int64_t>();
    float *nats = nll.data_ptr<float>(), *z = log_z.data_ptr<float>();
    at::parallel_for(0, rows, GRAIN / count + 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        nats[n] = z[n] = 0;
        if (target[n] < 0) continue;
        const Row row = summary(x + n * count, count);
        const double expected = (1 - smoothing) * float(x[n * count + target[n]]);
        z[n] = row.log_z;
        nats[n] = row.log_z - expected - (smoothing > 0 ? smoothing * row.total / count : 0.0);
      }
    });
  });
  return {nll, log_z};
}

at::Tensor backward(const at::Tensor& gradient, const at::Tensor& logits, const at::Tensor& targets,
                    const at::Tensor& log_z, double smoothing) {
  const int64_t rows = logits.size(0), count = logits.size(1);
  const at::Tensor out = at::empty_like(logits), g = gradient.to(at::kFloat).contiguous();
  TORCH_CHECK(g.numel() == rows && log_z.numel() == rows && log_z.is_contiguous(),
              "cross_entropy: a gradient and log Z for each row");
  by_type(logits, targets, [&]<typename T>(const T* x) {
    const int64_t* target = targets.const_data_ptr<int64_t>();
    const float *of_nll = g.const_data_ptr<float>(), *z = log_z.const_data_ptr<float>();
    T* dx = out.data_ptr<T>();
    at::parallel_for(0, rows, GRAIN / count + 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n)
        if (target[n] < 0)
          std::fill_n(dx + n * count, count, T(0));
        else
          gradient_of(x + n * count, count, target[n], z[n], of_nll[n], smoothing, dx + n * count);
    });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) {
  m.def("cross_entropy(Tensor logits, Tensor targets, float smoothing) -> (Tensor, Tensor)");
  m.def(
      "cross_entropy_backward(Tensor gradient, Tensor logits, Tensor targets, Tensor log_z, float smoothing) "
      "-> Tensor");
}

TORCH_LIBRARY_IMPL(morphogen, CPU, m) {
  m.impl("cross_entropy", &forward);
  m.impl("cross_entropy_backward", &backward);
}
