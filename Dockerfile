# The edge in a container: one front and two cache nodes behind port 8080, with the sample pictures as its origin.
# Build it with `docker build -t deckle .`, start it with `docker run -p 8080:8080 -v deckle:/app/var deckle`.
# A configuration of your own: `-v ./deckle.yaml:/etc/deckle/deckle.yaml -e DECKLE_CONFIG=/etc/deckle/deckle.yaml`.

FROM node:26-slim
WORKDIR /app
ENV NODE_ENV=production
ENV DECKLE_CONFIG=config/container.yaml

# What the lock file says, without what only development needs. Before the sources, whose changes keep this layer.
COPY package.json package-lock.json .npmrc ./
COPY config/runtime/package.json config/runtime/
RUN npm ci --omit=dev

COPY config config
COPY samples samples
COPY src src

# The program belongs to root and cannot change itself; only its state may be written, by whichever user it is run as.
RUN mkdir -m 1777 var
VOLUME ["/app/var"]
USER node

# The admin listener stays on the container's loopback; to publish it set DECKLE_ADMIN_LISTEN=0.0.0.0:8081 and DECKLE_ADMIN_TOKEN.
EXPOSE 8080 8081

# Ready means that the front would answer well, not only that a process is there.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.DECKLE_PORT || 8080}/-/ready`).then((answer) => process.exit(answer.status === 200 ? 0 : 1), () => process.exit(1))"]

# Exec form: the supervisor itself gets SIGTERM, finishes what is in flight and exits with 0.
CMD ["node", "src/deckle.js", "start"]
