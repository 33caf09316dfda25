package git_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// A server that sends us to another one is not followed: what is there would be read as the record. To another path of its own it is.
func TestAServerThatSendsUsElsewhere(t *testing.T) {
	w := https(t)
	add(t, w.machine().open(), step("r1", "one", 0))
	there, err := url.Parse(strings.TrimSuffix(w.url, "/state.git"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(there)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // of this test's own server
	var asked atomic.Int64
	other := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { asked.Add(1); http.NotFound(rw, r) }))
	t.Cleanup(other.Close)
	for to, refused := range map[string]bool{other.URL: true, "": false} {
		s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if path, moved := strings.CutPrefix(r.URL.Path, "/old"); moved {
				http.Redirect(rw, r, to+path+"?"+r.URL.RawQuery, http.StatusFound)
				return
			}
			proxy.ServeHTTP(rw, r)
		}))
		t.Cleanup(s.Close)
		moved := &world{t: t, auth: w.auth, cas: w.cas, url: s.URL + "/old/state.git"}
		_, err := moved.machine().open().Entries(t.Context())
		if (err != nil) != refused {
			t.Fatalf("%q: %v", to, err)
		}
		if !refused {
			continue
		}
		h, hinted := as[interface {
			error
			Hint() string
		}](err)
		if !hinted || !strings.Contains(h.Error(), "another server: that is refused") || !strings.Contains(h.Hint(), "state.git.repo") || asked.Load() > 0 {
			t.Errorf("%v, asked %d times", err, asked.Load())
		}
	}
}
