package lab

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"meshrotate/providers/lab/wsman"
)

const license, reload = "/api/license", "/api/license/reload"

// answers are the mishaps of Admin's API: it answers otherwise than the runbook says, or for something else.
func answers() []Mishap {
	const syncs = "/api/connectors"
	const ready, dashboard, relays = "/health/ready", "/api/dashboard", "/api/relays"
	status := func(path string, code int) func(*Lab, *Host) error { return answering(path, "", refusing(code)) }
	says := func(path, kind, body string) func(*Lab, *Host) error {
		return answering(path, http.MethodGet, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(body))
		})
	}
	const web, object = "text/html; charset=utf-8", "application/json"
	return []Mishap{
		{"ready-404", "let Admin have no " + ready, status(ready, http.StatusNotFound)},
		{"ready-403", "let it want a permission", status(ready, http.StatusForbidden)},
		{"ready-204", "let it have no content", answering(ready, "", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusNoContent) })},
		{"ready-302", "let it redirect to a sign-in", answering(ready, "", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "https://login.example/sign-in", http.StatusFound)
		})},
		{"ready-page", "let a web page answer for it", says(ready, web, "<html>Sign in</html>")},
		{"ready-503", "let Admin say that it is not well", func(l *Lab, _ *Host) error { l.Ail(true); return nil }},
		{"ready-unhealthy", "let it say so with status 200", says(ready, object, `{"status":"Unhealthy","entries":{"database":{"status":"Unhealthy"}}}`)},
		{"dashboard-404", "let Admin have no " + dashboard, status(dashboard, http.StatusNotFound)},
		{"dashboard-403", "let it want a permission", status(dashboard, http.StatusForbidden)},
		{"dashboard-500", "let it fail", status(dashboard, http.StatusInternalServerError)},
		{"dashboard-error", "let it fail, with status 200", says(dashboard, object, `{"success":false,"error":"Login failed for user 'im_app'"}`)},
		{"dashboard-page", "let a web page answer for it", says(dashboard, web, "<html>Dashboard</html>")},
		{"relays-404", "let Admin have no " + relays, status(relays, http.StatusNotFound)},
		{"relays-401", "let it know nobody", status(relays, http.StatusUnauthorized)},
		{"relays-403", "let it want a permission", status(relays, http.StatusForbidden)},
		{"relays-503", "let it be away", status(relays, http.StatusServiceUnavailable)},
		{"relays-302", "let it redirect to a sign-in", answering(relays, http.MethodGet, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "https://login.example/sign-in?token=x", http.StatusFound)
		})},
		{"relays-204", "let it have no content", answering(relays, http.MethodGet, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusNoContent) })},
		{"relays-gzip", "let it be compressed, though nobody asked for that", answering(relays, http.MethodGet, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", object)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write([]byte("[]"))
			_ = z.Close()
		})},
		{"relays-cut", "let it end in the middle of an entry", says(relays, object, `[{"name":"relay-01","conn`)},
		{"relays-more", "let something stand behind it", answering(relays, http.MethodGet, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
			sound.ServeHTTP(w, r)
			_, _ = w.Write([]byte("<!-- cached -->"))
		})},
		{"relays-empty", "let it be an empty list", says(relays, object, "[]")},
		{"relays-null", "let it not say whether relays are connected", retold(func(e map[string]any) { e["connected"] = nil })},
		{"relays-odd", "let it say so in a word that nobody knows", retold(func(e map[string]any) { e["connected"] = "Healthy" })},
		{"relays-renamed", "let it call them by other names", retold(func(e map[string]any) { e["name"] = "conn" + strings.TrimLeft(e["name"].(string), "RELAYrelay") })},
		{"relays-mute", "let it not say when it last heard of them", retold(func(e map[string]any) { e["lastHeartbeatUtc"] = nil })},
		{"relays-stuck", "let it be the one of now for ever, in answers that are new", (*Lab).stuck},
		{"relays-cached", "let a cache answer for it, with what was so an hour ago", (*Lab).cached},
		{"relays-bom", "let it begin with a byte order mark", answering(relays, http.MethodGet, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
			whole := &kept{header: http.Header{}, status: http.StatusOK}
			sound.ServeHTTP(whole, r)
			w.Header().Set("Content-Type", object)
			_, _ = w.Write(append([]byte("\ufeff"), whole.body...))
		})},
		{"relays-large", "let it be larger than anything that is read", answering(relays, http.MethodGet, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", object)
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for range 65 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})},
		{"relays-trickle", "let it come a byte at a time, five in a second", answering(relays, http.MethodGet, trickling)},
		{"syncs-404", "let Admin have no " + syncs, status(syncs, http.StatusNotFound)},
		{"syncs-empty", "let it tell of no connector", says(syncs, object, "[]")},
		{"syncs-failures", "let it tell of failures beside them, none at first", (*Lab).tellFailures},
		{"syncs-running", "let it tell of sync runs that never end", (*Lab).tellRunning},
		{"syncs-retired", "let it tell of connectors in two lists", besideSyncs("retired", map[string]any{"name": "Old HR"})},
		{"license-204", "let its answer have no content", answering(license, http.MethodGet, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusNoContent) })},
		{"license-302", "let it redirect to a sign-in", answering(license, http.MethodGet, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "https://login.example/sign-in", http.StatusFound)
		})},
		{"license-null", "let all that it says be null", says(license, object, `{"tier":null,"customerName":null,"expiresUtc":null}`)},
		{"license-401", "let it know nobody", status(license, http.StatusUnauthorized)},
		{"license-403", "let it want a permission", status(license, http.StatusForbidden)},
		{"license-404", "let Admin have no " + license, status(license, http.StatusNotFound)},
		{"license-bare", "let its answer name the tier alone", says(license, object, `{"tier":"`+Tier+`"}`)},
		{"license-inner", "let its answer be an object in an object", telling(license, func(served map[string]any) any { return map[string]any{"status": "ok", "license": served} })},
		{"license-previous", "let it have the one before beside it, once there is one", (*Lab).tellPrevious},
		{"license-names", "let it use other names, and a customer with a name", telling(license, func(served map[string]any) any {
			return map[string]any{"edition": served["tier"], "customer": map[string]any{"id": 7, "name": served["customerName"]}, "validUntil": served["expiresUtc"]}
		})},
		{"license-strange", "let it use names that nobody knows, and local time", telling(license, func(served map[string]any) any {
			o := map[string]any{"holder": map[string]any{"legal_name": served["customerName"]}, "grade": served["tier"]}
			if end, ok := served["expiresUtc"].(time.Time); ok {
				o["runs_until"] = end.In(time.FixedZone("", 5*3600+1800)).Format("2006-01-02T15:04:05")
			}
			return o
		})},
		{"license-mask", "let it hide a part of the customer's name", telling(license, func(served map[string]any) any {
			served["customerName"] = "C***** Ltd"
			return served
		})},
		{"license-edition", "let it name the tier otherwise than the file", telling(license, func(served map[string]any) any {
			served["tier"] = Tier + " Edition"
			return served
		})},
		{"license-parts", "let it tell of support and a trial as well, which are over", telling(license, func(served map[string]any) any {
			served["support"] = map[string]any{"status": "Expired", "expiresUtc": "2026-01-01T00:00:00Z"}
			served["trial"], served["telemetry"] = map[string]any{"isExpired": true, "valid": false}, map[string]any{"status": "disabled"}
			return served
		})},
		{"license-other", "let it say of something else that it has expired", telling(license, func(served map[string]any) any {
			served["partner"] = map[string]any{"status": "Expired"}
			return served
		})},
		{"license-date", "let it tell the end as a date", telling(license, func(served map[string]any) any {
			if end, ok := served["expiresUtc"].(time.Time); ok {
				served["expiresUtc"] = end.Format(time.DateOnly)
			}
			return served
		})},
		{"license-lower", "let it name a lower tier", telling(license, func(served map[string]any) any {
			served["tier"] = tiers[1]
			return served
		})},
		{"license-spelling", "let it write customer and expiry otherwise", telling(license, func(served map[string]any) any {
			served["customerName"] = strings.ToUpper(Customer)
			if end, ok := served["expiresUtc"].(time.Time); ok {
				served["expiresUtc"] = end.Format(time.DateOnly) + "T23:59:59Z"
			}
			return served
		})},
		{"license-revoked", "let it say that the license is not valid", telling(license, func(served map[string]any) any {
			served["valid"], served["status"] = false, "Revoked"
			return served
		})},
		{"license-restless", "let it hold an id that is another each time", telling(license, func(served map[string]any) any {
			served["id"] = guid(random(9))
			return served
		})},
		{"license-rolling", "let it hold a hash that is another each 20 s", telling(license, func(served map[string]any) any {
			served["hash"], served["status"] = fmt.Sprint(time.Now().Unix()/20), fmt.Sprintf("Active since %d", time.Now().Unix()/300)
			return served
		})},
		{"license-loads", "let each reload make another number, and read nothing", loads},
		{"license-lags", "let one answer after each reload be the one of before", lags},
		{"license-list", "let its answer be a list", says(license, object, `[{"tier":"`+Tier+`"}]`)},
		{"reload-404", "let Admin have no " + reload, status(reload, http.StatusNotFound)},
		{"reload-405", "let it take no POST", answering(reload, "", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Allow", "PUT")
			w.WriteHeader(http.StatusMethodNotAllowed)
		})},
		{"reload-403", "let it want a permission", answering(reload, http.MethodPost, refusing(http.StatusForbidden))},
		{"reload-slow", "let it read the file and answer after 40 s", late(reload, true)},
		{"reload-504", "let it read the file, and what stands before it wait in vain", answering(reload, http.MethodPost, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
			sound.ServeHTTP(&kept{}, r)
			w.WriteHeader(http.StatusGatewayTimeout)
		})},
		{"reload-502", "let it read the file, and what stands before it lose the answer", answering(reload, http.MethodPost, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
			sound.ServeHTTP(&kept{}, r)
			w.WriteHeader(http.StatusBadGateway)
		})},
		{"reload-late", "let it answer at once, and read the file after 40 s", late(reload, false)},
		{"reload-never", "let it answer, and not read the file before its next start", answering(reload, http.MethodPost, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusAccepted) })},
		{"reload-500", "let it fail", answering(reload, http.MethodPost, refusing(http.StatusInternalServerError))},
		{"dateless", "let Admin's answers say nothing of their time", answering("", "", func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
			w.Header()["Date"] = nil // as net/http has it
			sound.ServeHTTP(w, r)
		})},
		{"date-ahead", "let a proxy write its time into answers, 4 min ahead", dated(4 * time.Minute)},
		{"date-behind", "the same, 4 min behind", dated(-4 * time.Minute)},
		{"unlisted", "let Admin not list the relay", listing(func(_ *Listing, _ time.Time) bool { return false })},
		{"unheard", "let Admin list it as connected, and last heard of an hour ago", listing(func(e *Listing, now time.Time) bool {
			e.LastHeartbeatUTC = now.Add(-time.Hour).UTC()
			return true
		})},
		{"sound", "let Admin's API answer as it should again", func(l *Lab, _ *Host) error {
			l.Ail(false)
			l.mu.Lock()
			defer l.mu.Unlock()
			clear(l.odd)
			clear(l.oddly)
			return nil
		}},
	}
}

// oddAnswer answers instead of what would be a sound one.
type oddAnswer func(w http.ResponseWriter, r *http.Request, sound http.Handler)

// answering lets a path, "" for all, be answered so; where a method is named, only that one.
func answering(path, method string, as oddAnswer) func(*Lab, *Host) error {
	return func(l *Lab, _ *Host) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.odd[path] = func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
			if method != "" && r.Method != method {
				sound.ServeHTTP(w, r)
				return
			}
			as(w, r, sound)
		}
		return nil
	}
}

// dated lets all answers tell the time of a clock that is off.
func dated(off time.Duration) func(*Lab, *Host) error {
	return answering("", "", func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		sound.ServeHTTP(w, r)
	})
}

// telling lets a path tell of the license in another way.
func telling(path string, as func(served map[string]any) any) func(*Lab, *Host) error {
	return func(l *Lab, h *Host) error {
		return answering(path, http.MethodGet, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { answer(w, as(served(l.Served()))) })(l, h)
	}
}

// slow is how long an Admin takes that is slow.
const slow = 40 * time.Second

// late lets a POST have its effect late, whoever waits for it, and its answer then or at once.
func late(path string, answered bool) func(*Lab, *Host) error {
	return answering(path, http.MethodPost, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		time.AfterFunc(slow, func() { sound.ServeHTTP(&kept{}, r) })
		if answered {
			stall(r.Context(), wsman.Fault{Delay: slow})
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

// retold lets the list tell of each relay in another way.
func retold(as func(e map[string]any)) func(*Lab, *Host) error {
	return answering("/api/relays", http.MethodGet, func(w http.ResponseWriter, r *http.Request, sound http.Handler) {
		whole := &kept{header: http.Header{}, status: http.StatusOK}
		sound.ServeHTTP(whole, r)
		var list []map[string]any
		if json.Unmarshal(whole.body, &list) != nil {
			http.Error(w, "no plain list", http.StatusInternalServerError)
			return
		}
		for i := range list {
			as(list[i])
		}
		answer(w, list)
	})
}

func refusing(code int) oddAnswer {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, http.StatusText(code), code)
	}
}

// listing changes how Admin lists a relay: whether it does at all.
func listing(as func(*Listing, time.Time) bool) func(*Lab, *Host) error {
	return func(l *Lab, h *Host) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.mesh[h] == nil {
			return errors.New("it is no relay")
		}
		l.oddly[h] = as
		return nil
	}
}

// oddities put mishaps before what would be answered.
func (l *Lab) oddities(sound http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		all, one := l.odd[""], l.odd[r.URL.Path]
		l.mu.Unlock()
		inner := sound
		if one != nil {
			inner = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { one(w, r, sound) })
		}
		if all == nil {
			inner.ServeHTTP(w, r)
			return
		}
		all(w, r, inner)
	})
}
