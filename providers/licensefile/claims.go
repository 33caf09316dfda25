package licensefile

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/part"
)

// Names that licenses, and those who serve them, give to what they say, most telling first. In a file case, '_' and '-' do not
// count. A type is no tier: Trial, Standard, Subscription are kinds of licenses to many. A name is whosever it is.
var (
	CustomerNames = []string{"customerName", "customer", "licensee", "licensedTo", "issuedTo", "company", "organization", "licenseHolder", "owner"}
	TierNames     = []string{"tier", "edition", "licenseTier", "level", "plan"}
	ExpiryNames   = []string{"expiresUtc", "expires", "expiresAt", "expiry", "expiryDate", "expiration", "expirationDate", "validUntil", "validUntilUtc", "validTo", "expiresOn", "endDate", "endsOn", "endsAt", "notAfter", "exp"}
)

// claims reads what an object says, and else the objects in it.
func claims(o map[string]any) *License {
	l := terms(o)
	l.standing(o)
	return l
}

// terms are whom a license is for, what it allows, and until when.
func terms(o map[string]any) *License {
	o = flattened(o)
	l := &License{Customer: text(find(o, CustomerNames...)), Tier: text(find(o, TierNames...))}
	if name := text(find(o, "name")); l.Customer == "" && !ofProduct().MatchString(name) {
		l.Customer = name // as Rhino has it
	}
	for _, name := range ExpiryNames {
		if v, ok := lookUp(o, name); ok {
			if l.Expires, l.Precision, l.Never = moment(v); l.Expires.IsZero() && !l.Never {
				l.UnreadEnd = name + " = " + quoted(v)
			}
			break
		}
	}
	return l
}

// ofProduct matches the name of what is licensed, or of the license.
var ofProduct = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)identity ?mesh|\b(licen[cs]e|subscription|key)\b`)
})

// flattened adds what stands in the objects of an object and not in itself: the nearest counts, and what two of one depth say
// otherwise does not.
func flattened(o map[string]any) map[string]any {
	all := maps.Clone(o)
	level := []map[string]any{o}
	for range 3 {
		here, twice := map[string]any{}, map[string]bool{}
		var next []map[string]any
		for _, outer := range level {
			for name, v := range outer {
				inner, ok := v.(map[string]any)
				if !ok || matches(name, "signature", "sig") {
					continue
				}
				of := part.Is(plainName(name))
				if !of {
					next = append(next, inner)
				}
				for name, v := range inner {
					if of && matches(name, ExpiryNames...) {
						continue
					}
					_, again := here[name]
					twice[name], here[name] = twice[name] || again, v
				}
			}
		}
		ends := slices.ContainsFunc(ExpiryNames, func(name string) bool { _, is := lookUp(all, name); return is })
		for name, v := range here {
			if ends && matches(name, ExpiryNames...) {
				continue // by whatever name, the nearer one is the license's
			}
			if _, nearer := lookUp(all, plainName(name)); !nearer && !twice[name] && !strings.EqualFold(name, "name") { // whose name it is, its object says
				all[name] = v
			}
		}
		level = next
	}
	return all
}

// quoted is a value as people can look for it in the file: short, and on one line.
func quoted(v any) string {
	const most = 40
	s := []rune(fmt.Sprint(v))
	if len(s) > most {
		s = append(s[:most], '…')
	}
	return strconv.Quote(string(s))
}

func find(o map[string]any, names ...string) any {
	for _, name := range names {
		if v, ok := lookUp(o, name); ok {
			return v
		}
	}
	return nil
}

func lookUp(o map[string]any, name string) (any, bool) {
	for k, v := range o {
		if strings.EqualFold(plainName(k), name) {
			return v, true
		}
	}
	return nil, false
}

var plainer = strings.NewReplacer("_", "", "-", "")

func plainName(name string) string { return plainer.Replace(name) }

func matches(name string, of ...string) bool {
	return slices.ContainsFunc(of, func(o string) bool { return strings.EqualFold(plainName(name), o) })
}

// text is a word, a number, or the name of an object.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case map[string]any:
		return text(find(v, "name"))
	}
	return ""
}

// day is how far two readers of a date may be apart: the day itself, and the zones of the earth on both sides of it.
const (
	zones = 14 * time.Hour
	day   = 24*time.Hour + zones
)

// ParseExpiry reads an expiry as people and programs write it.
func ParseExpiry(s string) (at time.Time, precision time.Duration, never bool, err error) {
	if at, precision, never = moment(s); at.IsZero() && !never {
		err = fmt.Errorf("%q is no date", s)
	}
	return at, precision, never, err
}

// moment reads an expiry: null and the end of .NET's calendar are never. It is zero for what is no moment.
func moment(v any) (at time.Time, precision time.Duration, never bool) {
	switch v := v.(type) {
	case nil:
		return at, 0, true
	case json.Number:
		if n, err := v.Int64(); err == nil {
			at = epoch(n)
		}
	case string:
		v = strings.TrimSpace(v)
		switch strings.ToLower(v) {
		case "never", "perpetual", "unlimited", "none":
			return at, 0, true
		}
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && len(v) != len("20060102") { // which is a day
			at = epoch(n)
		} else {
			at, precision = written(v)
		}
	}
	if at.Year() == 9999 {
		return time.Time{}, 0, true
	}
	return at, precision, false
}

// epoch reads seconds, milli-, micro- or nanoseconds since 1970, .NET's ticks, or a FILETIME. What lies in none of their ranges is no
// moment. The end of .NET's calendar is that in each.
func epoch(n int64) time.Time {
	const ticks, years1601, years1970 = 10_000_000, 11644473600, 62135596800
	const last = 253402300799 // 9999-12-31T23:59:59Z
	since := func(n, epoch int64) time.Time { return time.Unix(n/ticks-epoch, n%ticks*100).UTC() }
	switch {
	case n == last || n == last+1, n >= last*1000 && n <= (last+1)*1000, n/ticks-years1970 == last:
		return time.Unix(last, 0).UTC()
	case n > 1e18:
		return time.Unix(0, n).UTC()
	case n > 58e16:
		return since(n, years1970)
	case n > 1e17 && n < 3e17:
		return since(n, years1601)
	case n > 3e14 && n < 1e17:
		return time.UnixMicro(n).UTC()
	case n > 1e11 && n < 1e14:
		return time.UnixMilli(n).UTC()
	case n > 1e8 && n <= 1e11:
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

func written(s string) (at time.Time, precision time.Duration) {
	for _, form := range []struct {
		layout    string
		precision time.Duration
	}{
		{time.RFC3339Nano, 0}, {"2006-01-02T15:04:05.999999999-0700", 0}, {"2006-01-02 15:04:05Z07:00", 0}, {time.RFC1123, 0}, {time.RFC1123Z, 0},
		{"2006-01-02T15:04:05.999999999", zones}, {"2006-01-02 15:04:05.999999999", zones}, {"2006-01-02T15:04", zones}, {"2006-01-02 15:04", zones},
		{time.DateOnly, day}, {"20060102", day}, {"2 Jan 2006", day},
		{"2 January 2006", day}, {"2-Jan-2006", day}, {"Jan 2, 2006", day}, {"January 2, 2006", day}, {"2.1.2006", day}, {"2006/01/02", day},
	} {
		if t, err := time.Parse(form.layout, s); err == nil {
			return t.UTC(), form.precision
		}
	}
	return time.Time{}, 0
}
