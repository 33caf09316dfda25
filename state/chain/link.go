package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// genesis stands for the line before the first.
const genesis = "meshrotate ledger 1"

// A line ends with its link: the hash of the link before it and of the line itself without its link. So a line that was
// edited, and one whose neighbour is gone, are noticed; and what is left is still one JSON object per line.
const (
	linkStart = `,"chain":"`
	linkEnd   = `"}`
	linkSize  = 32 // hex digits: 128 bits are enough against accidents and editors
)

func link(before string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(before))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:linkSize/2])
}

// addLink turns a JSON object into a line.
func addLink(body []byte, link string) []byte {
	return append(append(append(body[:len(body)-1:len(body)-1], linkStart...), link...), linkEnd...)
}

// cutLink is the reverse. ok is false for a line without one.
func cutLink(text []byte) (body []byte, link string, ok bool) {
	at := len(text) - len(linkStart) - linkSize - len(linkEnd)
	if at < 1 || !bytes.HasPrefix(text[at:], []byte(linkStart)) || !bytes.HasSuffix(text, []byte(linkEnd)) {
		return nil, "", false
	}
	link = string(text[at+len(linkStart) : at+len(linkStart)+linkSize])
	return append(text[:at:at], '}'), link, true
}

// Link is the link of a line, "" when it has none.
func Link(line []byte) string {
	_, link, _ := cutLink(line)
	return link
}

// nameOf is the name of a set of hosts.
func nameOf(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:8])
}
