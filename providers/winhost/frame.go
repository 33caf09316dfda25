package winhost

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is one request or one reply. Its layout, all numbers 32 bits, little-endian:
//
//	nonce   16 bytes, random; a reply carries its request's
//	length of the JSON text, number of blobs, then the length of each blob
//	JSON text, blobs, in that order and with nothing between
//	SHA-256 of everything above
//
// The nonce finds a reply among whatever else stands on standard output. The digest finds damage: a part that was
// sent twice, a translated character, foreign output in the middle.
type Frame struct {
	Nonce [NonceSize]byte
	JSON  []byte
	Blobs [][]byte
}

// Sizes and limits of a frame, in bytes.
const (
	NonceSize = 16
	MaxJSON   = 2 << 20  // what Windows PowerShell 5.1 parses
	MaxBlobs  = 4096     // blobs in one frame
	MaxFrame  = 64 << 20 // everything together
	headSize  = NonceSize + 8
)

// ErrFrame is a frame that is cut, damaged or too large. It proves nothing about what the sender did.
var ErrFrame = errors.New("bad frame")

// errShort says that more bytes may complete the frame.
var errShort = fmt.Errorf("%w: it is cut", ErrFrame)

func (f Frame) size() int {
	size := headSize + 4*len(f.Blobs) + len(f.JSON) + sha256.Size
	for _, blob := range f.Blobs {
		size += len(blob)
	}
	return size
}

// Append writes the frame to the end of b.
func (f Frame) Append(b []byte) ([]byte, error) {
	size := f.size()
	if len(f.JSON) > MaxJSON || len(f.Blobs) > MaxBlobs || size > MaxFrame {
		return nil, fmt.Errorf("%w: too large: %d bytes in %d blobs, %d of JSON", ErrFrame, size, len(f.Blobs), len(f.JSON))
	}
	begin := len(b)
	b = append(b, f.Nonce[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.JSON)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Blobs)))
	for _, blob := range f.Blobs {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(blob)))
	}
	b = append(b, f.JSON...)
	for _, blob := range f.Blobs {
		b = append(b, blob...)
	}
	sum := sha256.Sum256(b[begin:])
	return append(b, sum[:]...), nil
}

// head reads the sizes at the front of b: of the table of blobs, and of the whole frame.
func head(b []byte) (blobs, total int, err error) {
	if len(b) < headSize {
		return 0, 0, errShort
	}
	text, count := binary.LittleEndian.Uint32(b[NonceSize:]), binary.LittleEndian.Uint32(b[NonceSize+4:])
	if text > MaxJSON || count > MaxBlobs {
		return 0, 0, fmt.Errorf("%w: too large", ErrFrame)
	}
	table := headSize + 4*int(count)
	if len(b) < table {
		return 0, 0, errShort
	}
	total = table + int(text) + sha256.Size
	for i := range int(count) {
		total += int(binary.LittleEndian.Uint32(b[headSize+4*i:]))
		if total > MaxFrame {
			return 0, 0, fmt.Errorf("%w: too large", ErrFrame)
		}
	}
	return int(count), total, nil
}

// parse reads the frame at the front of b. Its parts point into b.
func parse(b []byte) (Frame, error) {
	count, total, err := head(b)
	if err != nil {
		return Frame{}, err
	}
	if len(b) < total {
		return Frame{}, errShort
	}
	body, digest := b[:total-sha256.Size], b[total-sha256.Size:total]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], digest) {
		return Frame{}, fmt.Errorf("%w: its digest does not match", ErrFrame)
	}
	f := Frame{JSON: body[headSize+4*count:]}
	copy(f.Nonce[:], b)
	f.JSON = f.JSON[:binary.LittleEndian.Uint32(b[NonceSize:])]
	at := headSize + 4*count + len(f.JSON)
	for i := range count {
		n := int(binary.LittleEndian.Uint32(b[headSize+4*i:]))
		f.Blobs = append(f.Blobs, body[at:at+n:at+n])
		at += n
	}
	return f, nil
}

// find looks for the frame with this nonce in output that may hold anything else. It returns errShort while the frame
// may still be on its way.
func find(output []byte, nonce [NonceSize]byte) (Frame, error) {
	at := bytes.Index(output, nonce[:])
	if at < 0 {
		return Frame{}, errShort
	}
	return parse(output[at:])
}

// ReadFrame reads one frame, as the host does. It returns io.EOF at a clean end, and ErrFrame for anything else that
// is not a frame.
func ReadFrame(r io.Reader) (Frame, error) {
	b := make([]byte, headSize)
	if n, err := io.ReadFull(r, b); n == 0 && errors.Is(err, io.EOF) {
		return Frame{}, io.EOF
	} else if err != nil {
		return Frame{}, errShort
	}
	if count := binary.LittleEndian.Uint32(b[NonceSize+4:]); count <= MaxBlobs {
		b = append(b, make([]byte, 4*count)...)
		if _, err := io.ReadFull(r, b[headSize:]); err != nil {
			return Frame{}, errShort
		}
	}
	_, total, err := head(b)
	if err != nil {
		return Frame{}, err
	}
	known := len(b)
	b = append(b, make([]byte, total-known)...)
	if _, err := io.ReadFull(r, b[known:]); err != nil {
		return Frame{}, errShort
	}
	return parse(b)
}
