package adminapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshrotate/providers/adminapi"
	"meshrotate/reconciler/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "CANARY-5b1e"

// quick retries fast enough for a test.
var quick = adminapi.Retry{First: time.Millisecond, Most: time.Millisecond, For: 2 * time.Second}

func open(t *testing.T, c adminapi.Config) *adminapi.Client {
	t.Helper()
	if c.Retry == (adminapi.Retry{}) {
		c.Retry = quick
	}
	client, err := adminapi.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// answers always gives the same answer.
func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		if status >= 300 && status < 400 {
			w.Header().Set("Location", "https://login.example/sign-in?code="+canary)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestEndpointsAndBearer(t *testing.T) {
	var seen []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.Path)
		if got := r.Header.Get("Authorization"); got != "Bearer "+canary {
			t.Errorf("%s: authorization %q", r.URL.Path, got)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		switch r.URL.Path {
		case "/im/health/ready":
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write([]byte("Healthy"))
		case "/im/api/license/reload":
			w.WriteHeader(http.StatusNoContent)
		case "/im/api/license":
			_, _ = w.Write([]byte(`{"Tier":"Enterprise","CustomerName":"Contoso","ExpiresUtc":"2027-11-30T00:00:00"}`))
		case "/im/other/relays":
			_, _ = w.Write([]byte(`[{"name":"relay-01","connected":true,"lastHeartbeat":"2026-11-23T06:00:00.1234567Z"}]`))
		case "/im/api/dashboard":
			_, _ = w.Write([]byte(`{"relays":1}`))
		}
	})
	c := open(t, adminapi.Config{
		URL:   s.URL + "/im/",
		Auth:  adminapi.Auth{Bearer: secret.NewString(canary)},
		Paths: adminapi.Paths{Relays: "/other/relays"},
	})
	ctx := t.Context()

	ready, a, err := c.Ready(ctx)
	if err != nil || !ready {
		t.Fatalf("ready %v, %v", ready, err)
	}
	if skew, known := a.Skew(); !known || skew.Abs() > 2*time.Second {
		t.Errorf("skew %v, known %v: server and client share a clock here", skew, known)
	}
	license, err := c.Get(ctx, "/api/license")
	if err != nil || license.Text("tier") != "Enterprise" || license.Text("customerName") != "Contoso" ||
		!license.Time(nil, "expiresUtc").Equal(time.Date(2027, 11, 30, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("license %+v, %v", license, err)
	}
	if err := c.Post(ctx, "/api/license/reload"); err != nil {
		t.Error(err)
	}
	relays, err := c.Relays(ctx)
	if err != nil || len(relays.List) != 1 || !relays.List[0].IsConnected() || relays.List[0].LastHeartbeat.Nanosecond() != 123456700 {
		t.Errorf("relays %+v, %v", relays, err)
	}
	if _, err := c.Dashboard(ctx); err != nil {
		t.Error(err)
	}
	want := "GET /im/health/ready, GET /im/api/license, POST /im/api/license/reload, GET /im/other/relays, GET /im/api/dashboard"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("requests\n got %s\nwant %s", got, want)
	}
}

func TestWhatCannotBeTaken(t *testing.T) {
	relays := func(c *adminapi.Client) error { _, err := c.Relays(context.Background()); return err }
	license := func(c *adminapi.Client) error { _, err := c.Get(context.Background(), "/api/license"); return err }
	reload := func(c *adminapi.Client) error { return c.Post(context.Background(), "/api/license/reload") }
	dashboard := func(c *adminapi.Client) error { _, err := c.Dashboard(context.Background()); return err }
	ready := func(c *adminapi.Client) error { _, _, err := c.Ready(context.Background()); return err }
	const js = "application/json"
	for _, test := range []struct {
		reason string
		h      http.HandlerFunc
		call   func(*adminapi.Client) error
		kind   adminapi.Kind
		says   string // in the error or its hint
	}{
		{"a wrong token", answers(401, "", canary), relays, adminapi.Credential, "locked out"},
		{"a missing permission names it", answers(403, js, canary), relays, adminapi.Denied, "dashboard.read"},
		{"the dashboard needs the same permission", answers(403, js, canary), dashboard, adminapi.Denied, "dashboard.read"},
		{"no permission is documented for the license", answers(403, js, canary), license, adminapi.Denied, "permission that this endpoint"},
		{"an endpoint that moved", answers(404, js, canary), license, adminapi.NotFound, "where its secret's section names it"},
		{"one of the product's", answers(404, "", canary), dashboard, adminapi.NotFound, "product.api.dashboard"},
		{"a login page instead of JSON", answers(200, "text/html; charset=utf-8", "<html>"+canary), relays, adminapi.WrongContent, "login page"},
		{"a login page after a reload", answers(200, "text/html", "<html>"+canary), reload, adminapi.WrongContent, "web page"},
		{"a login page instead of a health check", answers(200, "text/html", "<html>"+canary), ready, adminapi.WrongContent, "web page"},
		{"text instead of JSON", answers(200, "text/plain", canary), license, adminapi.WrongContent, "text/plain"},
		{"text that begins as JSON", answers(200, "text/plain", `{"a":`+canary), license, adminapi.WrongContent, "did not come whole"},
		{"bytes that begin as JSON", answers(200, "application/octet-stream", `[{"a":`+canary), relays, adminapi.WrongContent, "application/octet-stream, which begins as JSON"},
		{"an image", answers(200, "image/png", "\x89PNG"+canary), relays, adminapi.WrongContent, "got image/png"},
		{"no content type", answers(200, "", canary), license, adminapi.WrongContent, ""},
		{"an empty answer", answers(200, js, ""), relays, adminapi.WrongContent, "no content"},
		{"JSON that ends early", answers(200, js, `[{"name":"a"},{"na`), relays, adminapi.WrongContent, "not a list"},
		{"JSON with something behind it", answers(200, js, `[] []`), relays, adminapi.WrongContent, "not a list"},
		{"an object without a list is not an empty list", answers(200, js, `{"count":0}`), relays, adminapi.WrongContent, "not a list"},
		{"JSON of another layout is no login page", answers(200, js, `{"fleet":{"members":["a"]}}`), relays, adminapi.WrongContent, "answers otherwise than it is known"},
		{"an object by names", answers(200, js, `{"relay-01":{"connected":true}}`), relays, adminapi.WrongContent, "product.api"},
		{"several lists", answers(200, js, `{"hq":{"relays":[{"name":"a"}]},"dmz":{"relays":[{"name":"b"}]}}`), relays, adminapi.WrongContent, "holds several, and nobody knows which"},
		{"which is said", answers(200, js, `{"relay-01":{"connected":true},"relay-02":{"connected":false}}`), relays, adminapi.WrongContent, "keyed by names"},
		{"and of no other object", answers(200, js, `{"fleet":{"members":["a"]}}`), relays, adminapi.WrongContent, "not a list of relays\n"},
		{"nothing is not an empty list", answers(204, "", ""), relays, adminapi.WrongContent, "no content"},
		{"nor is it of the right type", answers(200, js, " "), relays, adminapi.WrongContent, "not a list"},
		{"nobody asked for a compressed answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answers(200, js, "\x1f\x8b")(w, r)
		}, relays, adminapi.WrongContent, "encoded (gzip)"},
		{"UTF-16 that ends early", answers(200, js, "\xff\xfe[\x00{\x00\"\x00"), relays, adminapi.WrongContent, "did not come whole"},
		{"a page in UTF-16", answers(200, "text/plain", "\xff\xfe<\x00h\x00t\x00m\x00l\x00>\x00"), relays, adminapi.WrongContent, "login page"},
		{"null is not an empty list", answers(200, js, `null`), relays, adminapi.WrongContent, "not a list"},
		{"a list of lists", answers(200, js, `[[1]]`), relays, adminapi.WrongContent, "not a list"},
		{"null is not an object", answers(200, js, `null`), license, adminapi.WrongContent, "not an object"},
		{"an array is not an object", answers(200, js, `[]`), license, adminapi.WrongContent, "not an object"},
		{"a text is not a dashboard", answers(200, js, `"`+canary+`"`), dashboard, adminapi.WrongContent, "not a dashboard"},
		{"a redirect would carry the token", answers(302, "", ""), relays, adminapi.Redirected, "login.example/sign-in"},
		{"a redirected POST", answers(307, "", ""), reload, adminapi.Redirected, "refused"},
		{"a server error", answers(500, js, `{"detail":"`+canary+`"}`), relays, adminapi.Server, "HTTP 500"},
		{"an unhealthy answer that is no 503", answers(500, "text/plain", canary), ready, adminapi.Server, "HTTP 500"},
		{"204 is not ready", answers(204, "", ""), ready, adminapi.Server, "expected 200 or 503"},
		{"a POST that gets 503 is not repeated", answers(503, "", canary), reload, adminapi.Server, "HTTP 503"},
		{"a cache's own answer", answers(304, "", ""), relays, adminapi.WrongContent, "wrong content (HTTP 304): not modified, though nothing was asked to be compared: a cache answers"},
		{"a POST that met a limit is not repeated", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "30")
			answers(429, "", canary)(w, r)
		}, reload, adminapi.Limited, "too many requests (HTTP 429): it asks to wait for 30 s"},
		{"a teapot", answers(418, "", canary), relays, adminapi.Refused, "request refused (HTTP 418)"},
		{"a conflict is not the server's error", answers(409, js, canary), reload, adminapi.Refused, "request refused (HTTP 409)"},
		{"an endpoint that takes no such method is there", answers(405, "", canary), reload, adminapi.Method, "method not taken (HTTP 405)"},
		{"a torn list is no login page", answers(200, js, `[{"name":"`+canary), relays, adminapi.WrongContent, "did not come whole"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			var requests atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				test.h(w, r)
			})
			err := test.call(open(t, adminapi.Config{URL: s.URL, Auth: adminapi.Auth{Bearer: secret.NewString(canary)}}))
			if adminapi.KindOf(err) != test.kind {
				t.Fatalf("kind %q, want %q: %v", adminapi.KindOf(err), test.kind, err)
			}
			var e *adminapi.Error
			errors.As(err, &e)
			text := err.Error() + "\n" + e.Hint()
			if !strings.Contains(text, test.says) || e.Hint() == "" {
				t.Errorf("wants %q in:\n%s", test.says, text)
			}
			if strings.Contains(fmt.Sprintf("%s %+v %#v", text, e, e), canary) {
				t.Errorf("the answer's body, the query or the token is shown: %s", text)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

func TestNotReadyIsAState(t *testing.T) {
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		answers(503, "text/plain", "Unhealthy")(w, r)
	})
	ready, a, err := open(t, adminapi.Config{URL: s.URL}).Ready(t.Context())
	if ready || err != nil || a.Status != 503 || a.ServerTime.IsZero() {
		t.Fatalf("ready %v, %+v, %v", ready, a, err)
	}
	if requests.Load() != 1 {
		t.Error("503 is an answer here, and was asked for again")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	token := adminapi.Auth{Bearer: secret.NewString(canary)}
	for _, test := range []struct {
		reason string
		c      adminapi.Config
		kind   adminapi.Kind // "": accepted
	}{
		{"https anywhere", adminapi.Config{URL: "https://im-admin.contoso.example", Auth: token}, ""},
		{"http on loopback", adminapi.Config{URL: "http://127.8.8.8:5000", Auth: token}, ""},
		{"http on IPv6 loopback", adminapi.Config{URL: "http://[::1]:5000", Auth: token}, ""},
		{"http on localhost", adminapi.Config{URL: "http://localhost:5000", Auth: token}, ""},
		{"http elsewhere", adminapi.Config{URL: "http://im-admin.contoso.example", Auth: token}, adminapi.Insecure},
		{"a name that only begins like loopback", adminapi.Config{URL: "http://127.0.0.1.example", Auth: token}, adminapi.Insecure},
		{"no URL", adminapi.Config{}, adminapi.BadConfig},
		{"no host", adminapi.Config{URL: "https://:443"}, adminapi.BadConfig},
		{"a password in the URL", adminapi.Config{URL: "https://u:" + canary + "@h"}, adminapi.BadConfig},
		{"a query in the URL", adminapi.Config{URL: "https://h/?key=" + canary}, adminapi.BadConfig},
		{"another scheme", adminapi.Config{URL: "ftp://h"}, adminapi.BadConfig},
		{"not a URL", adminapi.Config{URL: "https://u:" + canary + "@h:port"}, adminapi.BadConfig},
		{"a CA file without certificates", adminapi.Config{URL: "https://h", CAPEM: []byte("x")}, adminapi.BadConfig},
		{"a path to another host", adminapi.Config{URL: "https://h", Paths: adminapi.Paths{Relays: "//evil/x"}}, adminapi.BadConfig},
		{"a path without a slash", adminapi.Config{URL: "https://h", Paths: adminapi.Paths{Ready: "ready"}}, adminapi.BadConfig},
		{"a token with its file's line end", adminapi.Config{URL: "https://h", Auth: adminapi.Auth{Bearer: secret.NewString(canary + "\n")}}, adminapi.BadConfig},
		{"an empty token", adminapi.Config{URL: "https://h", Auth: adminapi.Auth{Bearer: secret.NewString("")}}, adminapi.BadConfig},
		{"two ways to sign in", adminapi.Config{URL: "https://h", Auth: adminapi.Auth{Bearer: secret.NewString("x"), OAuth2: &adminapi.OAuth2{}}}, adminapi.BadConfig},
		{"a token URL in clear", adminapi.Config{URL: "https://h", Auth: adminapi.Auth{OAuth2: &adminapi.OAuth2{TokenURL: "http://idp.example/t", ClientID: "a", ClientSecret: secret.NewString("x")}}}, adminapi.Insecure},
		{"OAuth2 without a secret", adminapi.Config{URL: "https://h", Auth: adminapi.Auth{OAuth2: &adminapi.OAuth2{TokenURL: "https://idp.example/t", ClientID: "a"}}}, adminapi.BadConfig},
	} {
		t.Run(test.reason, func(t *testing.T) {
			c, err := adminapi.New(test.c)
			if err == nil {
				c.Close()
			}
			if (err == nil) != (test.kind == "") || adminapi.KindOf(err) != test.kind {
				t.Fatalf("got %v, want kind %q", err, test.kind)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("shown: %v", err)
			}
		})
	}
}

// However an answer travels, it is the same.
func TestWaysThatAnAnswerTakes(t *testing.T) {
	const list = `[{"name":"relay-01","connected":true}]`
	for name, h := range map[string]http.HandlerFunc{
		"behind a byte order mark": answers(200, "application/json", "\ufeff"+list),
		"in chunks": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for _, part := range []string{list[:9], list[9:]} {
				_, _ = w.Write([]byte(part))
				_ = http.NewResponseController(w).Flush()
			}
		},
		"by HTTP/1.0, to the end of the connection": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = c.Write([]byte("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + list))
				_ = c.Close()
			}
		},
		"as a type of the vendor, with parameters": answers(200, `application/vnd.product+json; odata.metadata=minimal; charset="utf-8"`, list),
	} {
		c := open(t, adminapi.Config{URL: serve(t, h).URL})
		if r, err := c.Relays(t.Context()); err != nil || len(r.List) != 1 || !r.List[0].IsConnected() {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// What is JSON is read as such whatever the server says of it, but that it is a web page; and whatever its Unicode form.
func TestJSONThatIsNotCalledSo(t *testing.T) {
	const list = `[{"name":"relay-01","connected":true}]`
	wide := func(ascii string) string { return strings.Join(strings.Split(ascii, ""), "\x00") + "\x00" }
	for _, kind := range []string{"", "text/plain", "text/plain; charset=utf-8", "text/json", "application/json; charset=utf-16", "application/octet-stream", "application/json; charset"} {
		for _, text := range []string{"\ufeff" + list, "\xff\xfe" + wide(list), wide(list)} {
			c := open(t, adminapi.Config{URL: serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = nil // else net/http has a guess
				if kind != "" {
					w.Header().Set("Content-Type", kind)
				}
				_, _ = w.Write([]byte(text))
			}).URL})
			if r, err := c.Relays(t.Context()); err != nil || len(r.List) != 1 {
				t.Errorf("%q: %+v, %v", kind, r, err)
			}
		}
	}
}
