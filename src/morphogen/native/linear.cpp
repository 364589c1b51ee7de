// A linear layer for few rows, y = x W^T + c, with a matrix in one of the formats of matrix.h.
//
// x [B, I], fp32 or bf16 -> y [B, N] of the same type. W may have more columns than I; they are not used.

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "products.h"

namespace {

at::Tensor linear(const at::Tensor& x, at::TensorList weight, const std::optional<at::Tensor>& bias) {
  auto next = weight.begin();
  Matrix w(next, weight.end());
  TORCH_CHECK(next == weight.end(), "linear: expected one matrix");
  TORCH_CHECK(x.dim() == 2 && x.size(1) <= w.columns, "linear: expected inputs [B, I] with I <= ", w.columns);
  const at::Tensor in = x.to(at::kFloat).contiguous(), out = at::empty({x.size(0), w.rows}, in.options());
  const at::Tensor c = bias ? bias->to(at::kFloat).contiguous() : at::Tensor();
  TORCH_CHECK(!bias || (c.dim() == 1 && c.size(0) == w.rows), "linear: expected a bias [N]");
  if (bias) w.bias = c.const_data_ptr<float>();
  multiply(w, in.const_data_ptr<float>(), in.size(0), in.size(1), out.data_ptr<float>());
  return out.to(x.scalar_type());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(morphogen, m) { m.def("linear(Tensor x, Tensor[] weight, Tensor? bias) -> Tensor"); }

TORCH_LIBRARY_IMPL(morphogen, CPU, m) { m.impl("linear", &linear); }
