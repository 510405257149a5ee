"""What a training run is: every choice has a name, a unit and a default.

References: Ge et al., Preserve Your Own Correlation (2023), §3-5.1; Karras et al., Elucidating the
Design Space of Diffusion-Based Generative Models (2022), Table 7 for EMA and rates.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pyoco_eval.diffusion.experts import WHOLE, ExpertNode

FORBID: dict[str, Any] = {"extra": "forbid"}

WHICH_SAMPLES = (
    *("source", "path", "split", "split_lists", "only", "captions", "limit"),
    *("shuffle_shards", "cache"),
)
"""Keys of `DataConfig` that say which samples there are; the others say how they are cut."""

Source = Literal["shapes", "ucf101", "videos", "images", "shards"]
Precision = Literal["fp32", "bf16"]
Sharding = Literal["ddp", "fsdp"]


@dataclass(frozen=True)
class DataConfig:
    """Where samples come from and how they are cut.

    Attributes:
        source: `shapes` (the embedded dataset), `ucf101` (a copy of UCF-101 with its split
            lists), `videos` (any folder, tar shards, manifest or pattern of videos), `images`
            (any folder, manifest or tar shards of pictures), `shards` (any number of tar shards,
            through an index, never listed).
        path: where it is; the index of `pyoco-eval index` for `shards`; not for `shapes`.
        split: of `shapes` (train, val, test) or `ucf101` (train01, ..., all).
        split_lists: folder of the split lists of UCF-101, where they are not beside `path`.
        only: of `shapes`: attribute -> accepted values, such as `{background: [plain, gradient]}`.
        captions: manifest with the captions (and labels) of `videos` or `images`.
        size: side of the square frames in pixels, or their `[height, width]`.
        buckets: several `[T, height, width]`, in place of one length and size: each video of
            `ucf101` and `videos` is trained at that nearest to its own aspect and length. Each step
            is of one. `num_frames` and `size` name one of the longest, for sheets and the model.
        num_frames: T; with 1, single frames are drawn from the videos, as the paper trains its
            image model.
        stride: distance of the frames of a clip, in source frames.
        fps: frame rate to sample at, in place of a stride; the rate of the clips of `shapes`.
        resize: kernel and fit as `ResizeRule` names them.
        flip: mirror half of the samples, left to right.
        short: what happens to a video with too few frames: `error`; `skip`: another sample takes
            its place; `loop`: it goes on from its first frame.
        on_error: what happens to a file that cannot be read: `error`, or `skip`: another sample
            takes its place.
        limit: use the first so many samples only; of `shards`, the whole shards that hold them.
        shuffle_shards: so many `shards` are mixed with each other; their order is drawn too.
        cache: folder that keeps the resized frames of every video after their first reading.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    source: Source = "shapes"
    path: str | None = None
    split: str | None = None
    split_lists: str | None = None
    only: dict[str, tuple[str, ...]] = field(default_factory=dict)
    captions: str | None = None
    size: int | tuple[int, int] = 64
    buckets: tuple[tuple[int, int, int], ...] = ()
    num_frames: int = 16
    stride: int = 1
    fps: float | None = None
    resize: str = "bilinear-antialias-crop"
    flip: bool = False
    short: Literal["error", "skip", "loop"] = "error"
    on_error: Literal["error", "skip"] = "error"
    limit: int | None = None
    shuffle_shards: int = 8
    cache: str | None = None


@dataclass(frozen=True)
class JointConfig:
    """Images that are appended to every video along time (Ge et al., §4, after Ho et al. 2022).

    Attributes:
        per_video: how many images go with each video.
        data: where they come from; `num_frames` must be 1 and `size` that of the videos.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    per_video: int = 0
    data: DataConfig = field(default_factory=lambda: DataConfig(num_frames=1))


@dataclass(frozen=True)
class ModelConfig:
    """The network; with `init`, preset and overrides may be left out and come from there.

    Attributes:
        preset: a name in `models.presets.PRESETS`.
        diffusers: in place of a preset, a text-to-image pipeline of diffusers, the kind of Stable
            Diffusion: its folder or its name on the Hugging Face hub. Its U-Net gets temporal
            layers; unless they are stated, VAE, text encoder and loss weighting are its own.
        overrides: fields of the preset's `UNetConfig` to change; with `diffusers` the `heads` of
            the temporal layers (8) and `max_frames` that they tell apart (32, or more if there are
            more).
        train: `all` weights, or `temporal`: only the layers an image model does not have. The
            image model then stays as it is, frame by frame; the paper finetunes all.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    preset: str | None = None
    diffusers: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    train: Literal["all", "temporal"] = "all"


@dataclass(frozen=True)
class LatentConfig:
    """The first stage of a latent model; without a `vae` the network works on pixels.

    Attributes:
        vae: folder of a diffusers `AutoencoderKL`, or of a pipeline that has one, or the name of
            either on the Hugging Face hub. It stays as it is.
        scaling_factor: that latents are multiplied with; None for the VAE's own.
        draw: a frame's latent is the `mean` of the VAE's posterior, or a `sample` of it with the
            sample's own seed.
        frames_at_once: frames that pass the VAE together; on a CPU always one.
        cache: folder that keeps the latents of every frame after their first encoding.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    vae: str | None = None
    scaling_factor: float | None = None
    draw: Literal["mean", "sample"] = "mean"
    frames_at_once: int = 8
    cache: str | None = None


@dataclass(frozen=True)
class ConditionConfig:
    """What the network is told about a sample.

    Attributes:
        encoders: text encoders as `load_text_encoder` takes them, such as `shapes` or
            `t5:google/t5-v1_1-large`; captions are needed then.
        embeddings: folder of `pyoco-eval embed-text` with the captions, instead of the encoders.
        precision: arithmetic of T5 encoders that run while training; `embeddings` keep theirs.
        text_dropout: probability with which each encoder's embedding is dropped, one
            independently of the other.
        labels: tell the class.
        label_dropout: probability with which the class is dropped, independently of the texts.
        all_dropout: probability with which all texts and the class are dropped together, beside
            the independent drops: what guidance needs where there are several of them.
        known_every: tell every so many frames of the videos, from the first on, to a network that
            fills in those between, such as preset `t2v-interpolation`; the loss is of the others.
            0 for none.
        known_random: share of the samples of such a network that are told a random number of random
            frames instead: what it learns from them serves other distances, and prediction.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    encoders: tuple[str, ...] = ()
    embeddings: str | None = None
    precision: Precision = "fp32"
    text_dropout: float = 0.1
    labels: bool = False
    label_dropout: float = 0.1
    all_dropout: float = 0.0
    known_every: int = 0
    known_random: float = 0.0


@dataclass(frozen=True)
class LossConfig:
    """The EDM objective (paper §3, eq. 1).

    Attributes:
        P_mean, P_std: of ln sigma. A network of diffusers is trained at its own timesteps instead,
            all equally often.
        sigma_data: standard deviation of the data.
        weighting: of the noise levels: `edm`, `eps`, `x0`, `v`, `min-snr:gamma=5`, `soft-min-snr`,
            `p2:gamma=1,k=1`, or `output`: the one that weighs the network's own output evenly.
        expert: train on a part of the noise levels alone: `{level: 1, index: 0}` is the lower half
            of ln sigma, `index: 1` the upper; level l divides it into 2^l parts, all equally often.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    P_mean: float = -1.2
    P_std: float = 1.2
    sigma_data: float = 0.5
    weighting: str = "edm"
    expert: ExpertNode = WHOLE


@dataclass(frozen=True)
class SuperResolutionConfig:
    """What a network that enlarges is trained on, such as preset `t2v-superres`.

    Attributes:
        crop: side of the squares it is trained on, cut at random from frames of `data.size`; None
            for whole frames. It runs on frames of any size.
        augmentation: noise in the small frames: a share of it is drawn evenly from 0 to this, and
            told to the network (`diffusion.augmentation`).
        degradation: how frames are made small: `none` is the resize that data gets, `random` a
            kernel and a blur of each sample's own.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    crop: int | None = None
    augmentation: float = 0.5
    degradation: Literal["none", "random"] = "none"


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW.

    Attributes:
        lr: rate after the warm-up.
        temporal_lr: the same of the layers an image model does not have, with warm-up and decay
            as those of `lr`; None for `lr`.
        warmup_steps: over which the rate grows linearly from nothing.
        decay: afterwards `constant`, or `cosine` down to nothing at the last step.
        betas, eps, weight_decay: of AdamW.
        clip_norm: largest 2-norm of the gradient, longer ones are scaled down; None for any.
        nonfinite: what happens to a step whose loss or gradient is infinite or no number: `error`
            ends the run before it; `skip` changes nothing in it and counts it in the log.
        max_skipped: how many such steps in a row are skipped before the run ends all the same.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    lr: float = 1e-4
    temporal_lr: float | None = None
    warmup_steps: int = 100
    decay: Literal["constant", "cosine"] = "constant"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0
    nonfinite: Literal["error", "skip"] = "error"
    max_skipped: int = 20


@dataclass(frozen=True)
class EmaConfig:
    """The average of the weights that is kept as the model.

    Attributes:
        halflife_samples: training samples after which a weight counts half.
        warmup_ratio: the half-life is at most this share of the samples seen so far; None for
            the full half-life from the start.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    halflife_samples: float = 500_000
    warmup_ratio: float | None = 0.05


@dataclass(frozen=True)
class HardwareConfig:
    """How the same numbers are computed.

    Attributes:
        device: `auto`, `cpu`, `cuda` (of several processes each has its own GPU) or `cuda:1`.
        precision: `bf16` runs the network under autocast; parameters, optimizer and loss stay
            float32.
        micro_batch: samples per forward pass of a process; the batch is accumulated from these.
            None for all at once.
        gradient_checkpointing: compute activations again in the backward pass instead of
            keeping them.
        compile: `torch.compile` the network.
        sharding: of several processes: `ddp` keeps everything on each, `fsdp` divides
            parameters, gradients and optimizer among them.
        shard_size: with `fsdp`, how many processes share one copy of the network; further copies
            exchange gradients only (HSDP), such as 8 for one copy a machine. None for all.
        param_dtype: with `fsdp`, what the stages of the network are gathered as; what is kept
            and stepped stays float32. `bf16` needs `precision: bf16`.
        reduce_dtype: with `fsdp`, what gradients of the stages are summed as.
        tf32: let CUDA round the factors of float32 products to ten bits.
        checkpoints: `whole`, from the first process; `sharded`: every process writes what it
            holds of network and optimizer. Either is read by any number of processes.
        async_checkpoints: write `sharded` ones while training goes on.
        workers: processes that read samples; 0 reads in the training process.
        threads: of the CPU per process; None leaves it to PyTorch.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    device: str = "auto"
    precision: Precision = "fp32"
    micro_batch: int | None = None
    gradient_checkpointing: bool = False
    compile: bool = False
    sharding: Sharding = "ddp"
    shard_size: int | None = None
    param_dtype: Precision = "fp32"
    reduce_dtype: Precision = "fp32"
    tf32: bool = False
    checkpoints: Literal["whole", "sharded"] = "whole"
    async_checkpoints: bool = False
    workers: int = 2
    threads: int | None = None


@dataclass(frozen=True)
class LogConfig:
    """What a run writes while it goes, and how often; all in steps.

    Attributes:
        every: a line in `log.jsonl`, TensorBoard and the picture of the loss.
        checkpoint_every: a state to continue from; at most this many steps are lost to a kill.
        keep: how many of the states are kept, the newest.
        keep_every: states whose step is a multiple of it are kept for good, to be sampled and
            scored; 0 for none.
        samples_every: a sheet of samples of the averaged model; 0 for none.
        num_samples: rows of the sheet, with the captions or labels of the first samples.
        sampler: how they are drawn, as `SamplerSpec` reads it.
        guidance_scale: of classifier-free guidance; 1 is none.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    every: int = 50
    checkpoint_every: int = 1000
    keep: int = 2
    keep_every: int = 0
    samples_every: int = 1000
    num_samples: int = 8
    sampler: str = "deis:order=2,num_steps=32"
    guidance_scale: float = 1.0


@dataclass(frozen=True)
class ValidationConfig:
    """The loss of the averaged model on held-out data, at noise levels that stay the same.

    Attributes:
        every: in steps, a multiple of `log.every`, and after the last step; 0 for none.
        samples: that are looked at, always the same ones with the same noise.
        sigmas: the noise levels, rising; none for the 10, 30, 50, 70 and 90 % quantiles of those
            that are trained on, so that their mean estimates the loss of training.
        data: the held-out samples. How they are cut is as in `data` unless something else is said.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    every: int = 0
    samples: int = 256
    sigmas: tuple[float, ...] = ()
    data: DataConfig = field(default_factory=DataConfig)


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Attributes:
        out: folder of the run.
        seed: of everything that is drawn.
        steps: optimizer steps in all.
        batch: samples per step, over all processes.
        init: model folder (or run folder) whose weights training starts from; an image model
            starts a video model by inflation.
        prior: of the noise, such as `progressive:alpha=2`.
        max_replaced: largest share of the samples, pictures that join videos included, that may be
            replaced because they are short or broken; beyond it the run ends, once a hundred were
            drawn.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    out: str
    seed: int = 0
    steps: int = 100_000
    batch: int = 64
    init: str | None = None
    prior: str = "independent"
    max_replaced: float = 0.1
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    joint: JointConfig = field(default_factory=JointConfig)
    latent: LatentConfig = field(default_factory=LatentConfig)
    condition: ConditionConfig = field(default_factory=ConditionConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    superres: SuperResolutionConfig = field(default_factory=SuperResolutionConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    ema: EmaConfig = field(default_factory=EmaConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    log: LogConfig = field(default_factory=LogConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
