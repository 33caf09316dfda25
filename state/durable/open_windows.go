package durable

// nonblock is not needed: a named pipe is no path of the file system here.
const nonblock = 0
