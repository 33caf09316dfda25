package winrm

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
)

// plainHead reads the head of an answer as hosts nearly always give it: HTTP/1.1, a length, and nothing that needs a second thought.
// It returns the answer without its body, and the body's length. Of any other head, or for a body beyond most, it takes nothing:
// that is net/http's to read, which costs several times as much.
func plainHead(from *bufio.Reader, most int) (a answer, length int, ok bool) {
	_, _ = from.Peek(2) // the byte that was waited for came alone
	buffered, _ := from.Peek(from.Buffered())
	head, _, whole := bytes.Cut(buffered, []byte("\r\n\r\n"))
	first, lines, _ := bytes.Cut(head, []byte("\r\n"))
	status, is := bytes.CutPrefix(first, []byte("HTTP/1.1 "))
	if !whole || !is || len(status) < 4 || status[3] != ' ' || !plain(status[4:]) {
		return answer{}, 0, false
	}
	length = -1
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		name, value, found := bytes.Cut(line, []byte(": "))
		if !found || !plain(value) {
			return answer{}, 0, false
		}
		switch string(name) {
		case "Content-Length":
			if length >= 0 {
				return answer{}, 0, false
			}
			length = digits(value)
		case "Content-Type":
			if a.contentType != "" {
				return answer{}, 0, false
			}
			a.contentType = contentType(value)
		case "WWW-Authenticate", "Www-Authenticate":
			a.offers = append(a.offers, string(value))
		case "Date", "Server":
		default:
			return answer{}, 0, false // it may say something of the body, or of the connection
		}
	}
	a.status = digits(status[:3])
	if a.status < 200 || a.status == http.StatusNoContent || a.status == http.StatusNotModified || length < 0 || length > most {
		return answer{}, 0, false
	}
	_, _ = from.Discard(len(head) + len("\r\n\r\n"))
	return a, length, true
}

// plain says that a value is one as it stands: visible characters, with blanks only between them.
func plain(value []byte) bool {
	for _, c := range value {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(bytes.TrimSpace(value)) == len(value)
}

// digits are a number, -1 for what has anything else in it.
func digits(b []byte) int {
	n, err := strconv.ParseUint(string(b), 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// contentType makes no string of those that hosts give nearly all their answers.
func contentType(b []byte) string {
	switch string(b) {
	case soapType:
		return soapType
	case sealType:
		return sealType
	}
	return string(b)
}
