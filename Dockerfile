# seiqa in a container, as a user without privileges. With CUDA, which runs on a CPU too:
#     docker build --tag seiqa .
#     docker run --rm --gpus all --user "$(id -u)" --volume "$PWD:/work" seiqa score ref.png degraded.png
# For CPUs only, several GB smaller; INDEX is the address of PyTorch's index of CPU builds, which
# PyTorch's installation page names:
#     docker build --tag seiqa:cpu --build-arg ACCELERATOR=cpu --build-arg TORCH_INDEX=INDEX .
# The page in the browser:
#     docker run --rm --publish 127.0.0.1:7860:7860 seiqa serve --host 0.0.0.0
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ARG ACCELERATOR=cuda
ARG TORCH_INDEX=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CONSTRAINT=/source/constraints.txt
WORKDIR /source
COPY constraints.txt ./
RUN python -m venv /opt/seiqa
RUN case "$ACCELERATOR:$TORCH_INDEX" in \
      cuda:) ;; \
      cpu:?*) /opt/seiqa/bin/pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision ;; \
      *) echo "expected ACCELERATOR=cuda, or ACCELERATOR=cpu with TORCH_INDEX" >&2; exit 2 ;; \
    esac
COPY . .
RUN /opt/seiqa/bin/pip install --no-cache-dir ".[web]"

FROM python:${PYTHON}-slim-bookworm
# OpenCV, which pyiqa imports, needs the first two; LightGBM and scikit-learn the third.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --mode 1777 /home/seiqa /work
COPY --from=build /opt/seiqa /opt/seiqa
ENV PATH=/opt/seiqa/bin:$PATH HOME=/home/seiqa
USER 1000
WORKDIR /work
ENTRYPOINT ["seiqa"]
CMD ["--help"]
