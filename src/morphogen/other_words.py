"""The words of other libraries for what this one has: an unknown argument or method is an error with ours.

    mg.train(model, data, epochs=3)
    UnknownArgument: train() has no argument 'epochs'; write steps=1000

Words of diffusers, transformers, scikit-learn, SDV and Keras. A remedy is code: arguments of the same
function, `name=value`, or another call. The tests evaluate each of them.
"""

__all__ = [
    "ARGUMENTS",
    "ATTRIBUTES",
    "ELSEWHERE",
    "EXAMPLES",
    "UnknownAttribute",
    "argument_words",
    "other_word",
]

from collections.abc import Mapping

RATE = 'mg.build_system(name, data, changes={"plan.optimizer.lr": 1e-3})'
BATCH = 'mg.build_system(name, data, changes={"plan.batch": 32})'
TOKENS = "sampler=mg.Ancestral(mg.samplers.MaxNewTokens(100))"
DECODING = "sampler=mg.Ancestral(mg.logits_processors(temperature=0.8, top_k=50, top_p=0.9))"
ANCESTRAL = DECODING.removeprefix("sampler=")
GUIDED = "sampler=mg.Guided(mg.DDIM(steps=25), scale=3.0)"
STEPS = "sampler=mg.DDIM(steps=25)"
ELSEWHERE = {  # a remedy -> which models have it, for one that has not
    GUIDED: "guidance requires a network that was trained with condition dropout, such as that of ddpm",
    STEPS: "its sampler has no steps, which a diffusion model such as ddpm has",
}
COUNT = "sum(p.numel() for p in model.parameters())"
SEEDED = "model.sample(16, seed=0) or mg.train(model, data, steps=1000, seed=0)"
OF_DATA = "mg.metrics.features_for(data)(data.train.first(100).medium)"
OF_SAMPLES = "mg.metrics.features_for(data)(samples)"
EDITED = "mg.inference.edit(model, x, mg.inference.SDEdit(0.5))"
INPAINTED = "mg.inference.edit(model, x, mg.inference.Inpaint(mask))"
PIPELINES = (
    "StableDiffusionPipeline DiffusionPipeline AutoPipelineForText2Image StableDiffusionImg2ImgPipeline "
    "StableDiffusionInpaintPipeline"
)
TABLES = "mg.metrics.table_quality(df[:-30], df[-30:], samples.frame())"  # training, held-out, synthetic rows
SOUNDS = "mg.train(wavenet, mg.load_data(waves, rate=44100, length=256), steps=1)"

# function -> (words of other libraries, our code)
ARGUMENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "train": (
        ("epochs num_epochs max_epochs num_train_epochs n_epochs n_iter iterations", "steps=1000"),
        ("max_steps num_steps num_train_steps max_iter", "steps=1000"),
        ("seconds minutes max_time", "time=60"),
        ("lr learning_rate", RATE),
        ("batch_size batch per_device_train_batch_size", BATCH),
        ("output_dir out path checkpoint_dir", 'directory="runs/mine"'),
        ("random_state generator", "seed=0"),
        ("y target targets label", "labels=y"),
        ("fp16 bf16 mixed_precision torch_dtype", 'precision="bf16"'),
        ("rate sample_rate sampling_rate sr fs", SOUNDS),
        ("captions caption prompts", "labels=captions"),
    ),
    "sample": (
        ("num_samples n_samples num_rows num_images_per_prompt num_return_sequences size count", "n=16"),
        ("batch_size", "batch=64"),
        ("random_state generator manual_seed", "seed=0"),
        ("steps num_steps num_inference_steps ddim_steps timesteps", STEPS),
        ("guidance guidance_scale cfg_scale cfg scale", GUIDED),
        ("temperature top_k top_p do_sample", DECODING),
        ("max_new_tokens max_length max_tokens length", TOKENS),
        ("num_beams", "sampler=mg.Beam(4)"),
        ("label labels y class_labels classes conditions", "condition=3"),
        ("prompt text prompts", 'condition="the"'),
        ("negative_prompt", "negative=3"),
        ("strength image init_image", EDITED),
        ("mask_image mask", INPAINTED),
        ("eta", "sampler=mg.DDIM(steps=25, eta=1.0)"),
        ("height width", "mg.load_data(X, resolution=16)"),
        ("torch_dtype dtype", 'precision="bf16"'),
    ),
    "forward": (
        (
            "prompt num_inference_steps guidance_scale negative_prompt num_images_per_prompt generator",
            "model.sample(4, condition, mg.Guided(mg.DDIM(steps=25), scale=3.0))",
        ),
        ("image strength", EDITED),
        ("mask_image", INPAINTED),
    ),
    "load": (
        ("device_map map_location", 'device="auto"'),
        ("torch_dtype dtype variant", 'model.sample(4, precision="bf16")'),
    ),
    "log_prob": (
        ("batch_size", "batch=64"),
        ("random_state generator", "seed=0"),
        ("y label labels", "condition=3"),
        ("rate sample_rate sampling_rate sr fs", "medium=[(44100, w) for w in waves]"),
    ),
    "load_data": (
        ("y target targets label names", "labels=y"),
        ("path file filename folder", 'data="photos/"'),
        ("X x", "mg.load_data(X, y)"),
        ("text texts caption prompts", "captions=captions"),
        ("sample_rate sampling_rate sr fs", "rate=16000"),
        ("size image_size img_size side", "resolution=32"),
        ("max_length seq_len sequence_length block_size context_length window", "length=64"),
        ("target_column label_column class_column", 'condition="species"'),
        ("validation validation_data val eval_dataset", "valid=(X, y)"),
        ("test_size train_size val_size validation_split split random_state seed shuffle", "test=(X, y)"),
    ),
    "edit": (
        ("mask mask_image", "change=mg.inference.Inpaint(mask)"),
        ("strength", "change=mg.inference.SDEdit(0.5)"),
        ("source_class", "change=mg.inference.DDIMTranslate(0)"),
        ("num_samples n_samples num_images_per_prompt num_variants variants", "n=4"),
        ("random_state generator manual_seed", "seed=0"),
        ("label labels y class_labels", "condition=3"),
        ("negative_prompt", "negative=3"),
    ),
    "invert": (
        ("num_steps n_iter iterations epochs", "steps=300"),
        ("random_state generator manual_seed", "seed=0"),
        ("learning_rate", "lr=0.05"),
        ("label labels y class_labels", "condition=3"),
    ),
    "DDIM": (("num_inference_steps num_steps timesteps n_steps", "steps=25"),),
    "DDPM": (("num_inference_steps num_steps timesteps n_steps", "steps=25"),),
    "Guided": (("guidance_scale guidance cfg_scale cfg strength", "scale=3.0"),),
    "Ancestral": (("temperature top_k top_p min_p repetition_penalty do_sample", ANCESTRAL),),
    "Beam": (("num_beams beams k", "width=4"),),
    "Adam": (("learning_rate", "lr=1e-3"),),
    "AdamW": (("learning_rate", "lr=1e-3"),),
    "Plan": (("lr learning_rate", "optimizer=mg.Adam(lr=1e-3)"), ("batch_size", "batch=32")),
    "build_system": (
        ("lr learning_rate", 'changes={"plan.optimizer.lr": 1e-3}'),
        ("batch_size batch", 'changes={"plan.batch": 32}'),
        ("num_classes n_classes classes class_labels", 'conditions={"label": mg.Classes(10)}'),
    ),
}

# object -> (names that other libraries have, our code)
ATTRIBUTES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "model": (
        ("fit fit_transform fit_partial learn", "mg.train(model, data, steps=1000)"),
        ("predict generate generate_samples sample_conditions sample_from_conditions", "model.sample(4)"),
        ("save save_pretrained save_weights", 'mg.save(model, "model")'),
        ("load from_pretrained load_weights", 'mg.load("model")'),
        ("score_samples predict_proba predict_log_proba score logpdf", "model.log_prob(X).nats"),
        ("fill_mask impute sample_remaining_columns", "mg.impute(model, df)"),
        ("evaluate", "mg.metrics.quality(samples.tensor, data)"),
        ("summary", "print(model)"),
        ("num_parameters n_parameters num_params count_params get_num_params", COUNT),
        ("encode transform embed", "mg.metrics.features_for(data)(samples.tensor)"),
        ("decode inverse_transform", "samples.decode()"),
        (
            "load_lora_weights fuse_lora set_adapters load_adapter",
            'mg.personalisation.read_lora(model, "lora.safetensors")',
        ),
        (
            "enable_attention_slicing enable_vae_slicing enable_vae_tiling enable_model_cpu_offload",
            "model.sample(4, batch=1)",
        ),
        ("enable_xformers_memory_efficient_attention", 'model.sample(4, precision="bf16")'),
    ),
    "model of captions": (
        ("unet", "model.objective.network"),
        ("vae", "model.representation"),
        ("text_encoder tokenizer", "model.conditioner"),
        ("scheduler", "model.sample(4, sampler=mg.DDIM(steps=25))"),
        (
            "load_textual_inversion",
            'mg.personalisation.read_embedding(model, "learned_embeds.safetensors")',
        ),
    ),
    "contrastive model": (
        ("get_text_features encode_text", 'mg.inference.Matcher(model).captions(["a cat"])'),
        ("get_image_features encode_image", "mg.inference.Matcher(model).pictures(x)"),
        ("logits_per_image logits_per_text", 'mg.inference.Matcher(model).similarity(x, ["a cat"])'),
    ),
    "matcher": (
        ("get_text_features encode_text", 'matcher.captions(["a cat"])'),
        ("get_image_features encode_image", "matcher.pictures(x)"),
        ("logits_per_image logits_per_text", 'matcher.scale * matcher.similarity(x, ["a cat"])'),
    ),
    "autoencoder": (
        ("encode transform embed", "mg.inference.LatentSpace(model).encode(X)"),
        ("decode inverse_transform", "mg.inference.LatentSpace(model).decode(z)"),
        ("reconstruct autoencode", "mg.inference.LatentSpace(model).decode(z)"),
    ),
    "language model": (
        ("generate predict complete completion continue_text", 'model.sample(4, condition="the")'),
    ),
    "latent space": (
        ("transform embed fit_transform encode_batch", "space.encode(X)"),
        ("inverse_transform generate sample decode_batch", "space.decode(z)"),
        ("reconstruct autoencode forward", "space.decode(space.encode(X))"),
        ("interpolate interpolation slerp lerp morph", "mg.inference.slerp(z[0], z[1], 8)"),
        ("traverse traversal walk", "mg.inference.traversal(z[0], 0, torch.linspace(-2, 2, 8))"),
        ("attribute direction attribute_vector", "mg.inference.attribute(z, has)"),
    ),
    "data": (
        ("X x images inputs features values tensors", "data.train.first(16).medium"),
        ("y labels targets target", "data.train.labels"),
        ("shape image_shape resolution", "data.representation.shape"),
        ("train_set train_data train_dataset training train_split", "data.train"),
        ("val validation val_set valid_set validation_set", "data.valid"),
        ("test_set test_data test_dataset holdout", "data.test"),
        ("class_names target_names categories num_classes n_classes", "data.classes"),
    ),
    "data.train": (
        ("X x images inputs features data tensors medium", "data.train.first(16).medium"),
        ("y targets target condition", "data.train.labels"),
        ("shape size", "data.representation.shape"),
        ("classes class_names target_names", "data.classes"),
    ),
    "samples": (
        ("images pil_images texts", "samples.decode()"),
        ("medium tensors data values", "samples.tensor"),
        ("numpy to_numpy array", "samples.tensor.numpy()"),
        ("shape dtype size ndim device", "samples.tensor.shape"),
        ("show plot display grid imshow", "samples.sheet()"),
        ("labels label y classes", 'samples.condition["label"]'),
        ("to_pandas to_dataframe df to_csv to_excel to_parquet", "samples.frame()"),
        ("head tail describe iloc loc groupby", "samples.frame()"),
    ),
    "samples of captions": (("caption prompt prompts", "samples.captions"),),
    "sounds": (("sample_rate sampling_rate sr fs", "samples.rate"),),
    "morphogen": (
        ("fit learn Trainer", "mg.train(model, data, steps=1000)"),
        ("from_pretrained load_model", 'mg.load("model")'),
        ("save_model save_pretrained", 'mg.save(model, "model")'),
        ("load_dataset DataLoader read_csv", "mg.load_data(X)"),
        ("evaluate score", "mg.metrics.quality(samples.tensor, data)"),
        ("pipeline Pipeline AutoModel", 'mg.build_system("ddpm", data)'),
        ("list_systems list_models models model_zoo available_models", "list(mg.systems)"),
        ("CTGAN CTGANSynthesizer", 'mg.build_system("table_gan", mg.load_data(df))'),
        ("TVAE TVAESynthesizer", 'mg.build_system("table_vae", mg.load_data(df))'),
        ("GaussianCopula GaussianCopulaSynthesizer", 'mg.build_system("gaussian_copula", mg.load_data(df))'),
        ("Metadata SingleTableMetadata detect_from_dataframe", "mg.load_data(df)"),
        ("evaluate_quality run_diagnostic QualityReport", TABLES),
        ("LatentSpace", "mg.inference.LatentSpace(model)"),
        (PIPELINES, 'mg.load("diffusers:stable-diffusion")'),
        ("CLIPModel CLIPProcessor create_model_and_transforms", "mg.inference.Matcher(clip)"),
        ("DDIMScheduler", "mg.DDIM(steps=25)"),
        ("DDPMScheduler", "mg.DDPM()"),
        ("PNDMScheduler", "mg.samplers.PNDM()"),
        ("DPMSolverMultistepScheduler UniPCMultistepScheduler", "mg.samplers.DPMSolver(25)"),
        ("EulerDiscreteScheduler", "mg.samplers.Euler(25)"),
        ("set_seed seed seed_everything manual_seed", SEEDED),
    ),
    "morphogen.metrics": (
        (
            "fid frechet_distance frechet_inception_distance",
            f"mg.metrics.frechet({OF_DATA}, {OF_SAMPLES})",
        ),
        ("evaluate_quality run_diagnostic QualityReport sdmetrics", TABLES),
        ("kid KID mmd", f"mg.metrics.kernel_distance({OF_DATA}, {OF_SAMPLES})"),
    ),
}

EXAMPLES: Mapping[str, str] = {  # name of a function or class -> a call that works
    "load_data": "mg.load_data(X, y)",
    "build_system": 'mg.build_system("ddpm", data)',
    "train": "mg.train(model, data, steps=1000)",
    "sample": "model.sample(16)",
    "log_prob": "model.log_prob(X)",
    "forward": "model.sample(16) or model.log_prob(X)",
    "save": 'mg.save(model, "model")',
    "load": 'mg.load("model")',
    "impute": "mg.impute(model, df)",
    "check_model": "mg.check_model(model, data.test.first(16))",
    "edit": "mg.inference.edit(model, x, mg.inference.Inpaint(mask))",
    "invert": "mg.inference.invert(model, x)",
    "slerp": "mg.inference.slerp(z[0], z[1], 8)",
    "traversal": "mg.inference.traversal(z[0], 0, torch.linspace(-2, 2, 8))",
    "attribute": "mg.inference.attribute(z, has)",
    "LatentSpace": "mg.inference.LatentSpace(model)",
    "Inpaint": "mg.inference.Inpaint(mask)",
    "SDEdit": "mg.inference.SDEdit(strength=0.5)",
    "DDIMTranslate": "mg.inference.DDIMTranslate(source_class=0)",
    "Rng": "mg.Rng(0, 16)",
    "features_for": "mg.metrics.features_for(data)",
    "table_quality": "mg.metrics.table_quality(train, held_out, synthetic)",
    "quality": "mg.metrics.quality(samples.tensor, data)",
    "logits_processors": "mg.logits_processors(temperature=0.8, top_k=50)",
    "Ancestral": "mg.Ancestral(mg.logits_processors(temperature=0.8, top_k=50))",
    "Greedy": "mg.Greedy()",
    "Beam": "mg.Beam(4)",
    "DDIM": "mg.DDIM(steps=25)",
    "Guided": "mg.Guided(mg.DDIM(steps=25), scale=3.0)",
    "Adam": "mg.Adam(lr=1e-3)",
    "Plan": "mg.Plan(mg.Adam(1e-3), batch=32)",
    "Classes": "mg.Classes(10)",
    "Model": 'mg.build_system("ddpm", data)',
    "Run": 'mg.Run.open("runs/ddpm-digits-000")',
    "Staged": "mg.Staged(first=model, second=model)",
}


class UnknownAttribute(AttributeError):
    """An object has no attribute of this name; the message has what to write."""


def other_word(what: str, name: str) -> UnknownAttribute | None:
    """The error for an attribute that another library has; None for any other name.

    Arguments:
        what: the object, a key of `ATTRIBUTES`.
        name: of the attribute.
    """
    remedy = _words(ATTRIBUTES[what]).get(name)
    return None if remedy is None else UnknownAttribute(f"{what} has no attribute {name!r}; write {remedy}")


def argument_words(function: str) -> Mapping[str, str]:
    """The names of arguments that other libraries have, and our code, of a function or a class by name."""
    return _words(ARGUMENTS.get(function, ()))


def _words(table: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {word: remedy for words, remedy in table for word in words.split()}
