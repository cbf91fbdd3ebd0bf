"""Socket.IO at `/socket.io/`: the push protocol for the stock socket.io-client, on any replica behind any balancer."""
