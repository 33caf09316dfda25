package winrm

import (
	"bufio"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// FuzzPlainHead holds plainHead to what net/http reads in the same bytes.
func FuzzPlainHead(f *testing.F) {
	for _, head := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: " + sealType + "\r\nDate: Mon, 02 Nov 2026 10:00:00 GMT\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 \r\nContent-Type: " + soapType + "\r\nServer: Microsoft-HTTPAPI/2.0\r\nContent-Length: 3\r\n\r\nabcd",
		"HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate TlRM\r\nWWW-Authenticate: Basic realm=\"WSMAN\"\r\nContent-Length: 0\r\n\r\n",
	} {
		if _, _, ok := plainHead(bufio.NewReader(strings.NewReader(head)), 10); !ok {
			f.Errorf("%q is not plain", head)
		}
		f.Add(head)
	}
	for _, other := range strings.Split("Transfer-Encoding: chunked|Connection: close|Content-Length: 4|Content-Length: +3|Content-Length: 3 | folded|Content-Type: a\nb|X: y", "|") {
		head := "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: a\r\n" + other + "\r\n\r\nabc"
		if _, _, ok := plainHead(bufio.NewReader(strings.NewReader(head)), 10); ok {
			f.Errorf("%q is plain", head)
		}
		f.Add(head)
	}
	for _, head := range []string{"HTTP/1.1 204 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 100 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nDate: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"} {
		if _, _, ok := plainHead(bufio.NewReader(strings.NewReader(head)), 10); ok {
			f.Errorf("%q is plain", head)
		}
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from := bufio.NewReader(strings.NewReader(text))
		a, length, ok := plainHead(from, 1<<20)
		if !ok {
			if whole := len(text) <= from.Size(); whole && from.Buffered() != len(text) {
				t.Fatalf("it took some of %q", text)
			}
			return
		}
		theirs := bufio.NewReader(strings.NewReader(text))
		resp, err := http.ReadResponse(theirs, nil)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", text, err)
		}
		want := answer{status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), offers: resp.Header["Www-Authenticate"]}
		if !reflect.DeepEqual(a, want) || int64(length) != resp.ContentLength || resp.Close || from.Buffered() != theirs.Buffered() {
			t.Fatalf("%q: %+v and %d bytes, net/http reads %+v and %d, close %v", text, a, length, want, resp.ContentLength, resp.Close)
		}
	})
}

// Whoever stands before a host may answer with headers for ever: they are cut off before they take memory.
func TestAHeadWithoutEnd(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	sent := make(chan int, 1)
	go func() {
		n, _ := far.Write([]byte("HTTP/1.1 200 OK\r\n"))
		for {
			more, err := far.Write([]byte("X-More: " + strings.Repeat("a", 1000) + "\r\n"))
			if n += more; err != nil || n > 16<<20 {
				far.Close()
				sent <- n
				return
			}
		}
	}()
	c := &connection{Conn: near, maxAnswer: 1 << 20, now: time.Now}
	_, err := c.receive()
	near.Close()
	if n := <-sent; err == nil || !strings.Contains(err.Error(), "the head of the answer has more than 65536 bytes") || n > maxHead+8192 {
		t.Errorf("%v, after %d bytes", err, n)
	}
}
