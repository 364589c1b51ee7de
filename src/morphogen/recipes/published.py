"""Published figures, for comparison with measured ones: other data, larger models, days of training.

A published figure states what a system can reach on the paper's data, not what to expect of six minutes on a
few thousand examples. The records show the difference in result and in cost.
"""

__all__ = ["PUBLISHED"]

PUBLISHED = {
    "gated_pixelcnn": "3.03 bits/dim on CIFAR-10 (van den Oord et al. 2016, table 1)",
    "pixelcnn": (
        "3.14 bits/dim on CIFAR-10 (van den Oord et al. 2016, Pixel recurrent neural networks, section 5.6)"
    ),
    "pixelcnn_pp": "2.92 bits/dim on CIFAR-10 (Salimans et al. 2017)",
    "pixelrnn": (
        "3.00 bits/dim on CIFAR-10, 79.20 nats on binary MNIST (van den Oord et al. 2016, sections 5.5, 5.6)"
    ),
    "realnvp": (
        "1.06 bits/dim on MNIST (as reported by Grathwohl et al. 2019, table 2); "
        "3.49 on CIFAR-10 (Dinh et al. 2017, table 1)"
    ),
    "glow": "3.35 bits/dim on CIFAR-10 (Kingma & Dhariwal 2018, table 2)",
    "wgan_gp": "inception score 7.86 on CIFAR-10, unsupervised (Gulrajani et al. 2017, table 3)",
    "stylegan2": "FID 2.84 on FFHQ at 1024 x 1024 pixels (Karras et al. 2020, table 1)",
    "iwae_1": "86.76 nats on MNIST, 60,000 images binarised anew in each epoch (Burda et al. 2016, table 1)",
    "iwae_5": "85.54 nats, as above",
    "iwae_50": "84.78 nats, as above",
    "ddpm": "at most 3.75 bits/dim, FID 3.17 on CIFAR-10 (Ho et al. 2020, table 1)",
    "improved_ddpm": "at most 2.94 bits/dim on CIFAR-10 (Nichol & Dhariwal 2021)",
    "ncsn": "FID 25.32 on CIFAR-10, unconditional (Song & Ermon 2019)",
    "score_sde": (
        "about 2.99 bits/dim (sub-VP), FID 2.20 (VE) on CIFAR-10, unconditional (Song et al. 2021)"
    ),
    "progressive_distillation": (
        "FID 2.57, 3.00, 4.51, 9.12 in 8, 4, 2, 1 steps on CIFAR-10 (Salimans & Ho 2022)"
    ),
    "consistency_model": "FID 3.55 in one step on CIFAR-10, distilled (Song et al. 2023)",
}
