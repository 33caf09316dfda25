package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A field that is absent, null or of another type is unknown, not an error: one odd relay must not hide the other thousands.

// textOf is a text, or a number: .NET writes an enumeration as a number unless told otherwise.
func textOf(raw json.RawMessage) (string, bool) {
	switch {
	case len(raw) == 0:
		return "", false
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return string(raw), true
	case raw[0] != '"':
		return "", false
	case bytes.IndexByte(raw, '\\') < 0:
		return strings.Map(printable, string(raw[1:len(raw)-1])), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return strings.Map(printable, s), err == nil
}

// printable keeps terminal escapes out of names that end up on a terminal, and what turns the direction of a line. The blanks and joiners
// of other scripts stay: names have them, and are compared.
func printable(r rune) rune {
	turns := r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	if unicode.IsPrint(r) || unicode.In(r, unicode.Zs, unicode.Cf) && !turns {
		return r
	}
	return unicode.ReplacementChar
}

// yesNo are the words for yes and no, and for a connection's state.
var yesNo = map[string]bool{"true": true, "yes": true, "1": true, "connected": true, "online": true, "active": true, "up": true, "open": true, "closed": false,
	"false": false, "no": false, "0": false, "disconnected": false, "offline": false, "inactive": false, "down": false, "stale": false,
	"disconnecting": false, "connecting": false, "reconnecting": false, "lost": false, "never": false, "unknown": false}

// yesOf is yes or no as APIs write it: true, "true", 1, or a word.
func yesOf(raw json.RawMessage) (yes, known bool) {
	text, ok := textOf(raw)
	if !ok {
		text = string(raw) // a boolean, or nothing of ours
	}
	yes, known = yesNo[strings.ToLower(strings.TrimSpace(text))]
	return yes, known
}

// countOf is how many there are, where a field that asks whether there are some says that; else 0.
func countOf(raw json.RawMessage) uint64 {
	text, _ := textOf(raw)
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil { // it may be a moment, as a number
		return 0
	}
	return n
}

// momentOf is a point in time as programs write it: ISO 8601, with or without a fraction, with Z, an offset or nothing; the form
// of Microsoft's older serializers, /Date(1732341600000+0100)/; or a count of seconds or milliseconds since 1970. Nothing is read
// as UTC, and said: a DateTime of kind Unspecified has no zone. Zero is unknown.
func momentOf(raw json.RawMessage) (at time.Time, zoneless bool) {
	text, ok := textOf(raw)
	if !ok {
		return at, false
	}
	if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
		return epoch(n), false
	}
	at, zoneless, _ = parseMoment(text)
	return at, zoneless
}

// momentIn is the same, in a zone where it is written without one; nil is none.
func momentIn(zone *time.Location, raw json.RawMessage) (at time.Time, zoneless bool) {
	at, zoneless = momentOf(raw)
	if !zoneless || zone == nil {
		return at, zoneless
	}
	return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), zone).UTC(), false
}

// epoch reads seconds, or milliseconds, since 1970. What is too small for a year of ours, or too large, is none.
func epoch(n float64) time.Time {
	switch {
	case n > 58e16 && n < 1e18: // .NET's ticks, since the year 1
		return time.Unix(0, 0).UTC().Add(time.Duration((n - 621355968e9) * 100))
	case n > 12e16 && n < 16e16: // a FILETIME of Windows, since 1601
		const second, since = 10_000_000, 11644473600
		return time.Unix(int64(n)/second-since, int64(n)%second*100).UTC()
	case n > 1e17:
	case n > 3e14:
		return time.UnixMicro(int64(n)).UTC()
	case n > 1e14:
	case n > 1e11:
		return time.UnixMilli(int64(n)).UTC()
	case n > 1e8:
		return time.UnixMilli(int64(n * 1000)).UTC()
	}
	return time.Time{}
}

// american are dates of the cultures en-US and of none, as ToString makes them. Where a day is meant before the month it is another
// moment, months away.
var american = []string{"1/2/2006 3:04:05 PM", "1/2/2006 15:04:05"}

var spaces = strings.NewReplacer("\u202f", " ", "\u00a0", " ") // as newer libraries have before AM and PM

// beatIn is a moment of a little while ago, in a zone where it is written without one. It may be written as a date that people read
// differently: which moment is near the answer's own is judged elsewhere.
func beatIn(zone *time.Location, raw json.RawMessage) (at time.Time, zoneless bool) {
	if at, zoneless = momentIn(zone, raw); !at.IsZero() {
		return at, zoneless
	}
	text, _ := textOf(raw)
	for _, form := range american {
		if t, err := time.Parse(form, strings.ToUpper(spaces.Replace(strings.TrimSpace(text)))); err == nil && t.Year() > 1 {
			iso, _ := json.Marshal(t.Format("2006-01-02T15:04:05.999999999"))
			return momentIn(zone, iso)
		}
	}
	return at, zoneless
}

var slashDate = regexp.MustCompile(`^/Date\((-?[0-9]{1,15})([+-][0-9]{4})?\)/$`) // the offset is for showing, not for counting

func parseMoment(s string) (t time.Time, zoneless bool, err error) {
	s = strings.TrimSpace(s)
	if m := slashDate.FindStringSubmatch(s); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || n <= 0 {
			return time.Time{}, false, err // before 1970: DateTime.MinValue
		}
		return time.UnixMilli(n).UTC(), false, nil
	}
	for _, zulu := range []string{"z", " UTC", " GMT"} { // the first as RFC 3339 has it too
		if rest, ok := strings.CutSuffix(s, zulu); ok && strings.HasPrefix(s, "2") {
			s = rest + "Z"
		}
	}
	err = errors.New("no time")
	for _, layout := range []struct {
		form     string
		zoneless bool
	}{{time.RFC3339, false}, {"2006-01-02T15:04Z07:00", false}, {"2006-01-02 15:04:05Z07:00", false}, {"2006-01-02 15:04:05 Z07:00", false}, {"2006-01-02T15:04:05Z0700", false}, {"2006-01-02 15:04:05Z0700", false},
		{"2006-01-02 15:04:05 Z0700", false}, {time.RFC1123, false}, {time.RFC1123Z, false},
		{"2006-01-02T15:04:05", true}, {"2006-01-02 15:04:05", true}, {"2006-01-02T15:04", true}, {time.DateOnly, true}} { // Parse takes a fraction, too
		if t, err = time.Parse(layout.form, s); err == nil {
			zoneless = layout.zoneless
			break
		}
	}
	if err != nil || t.Year() <= 1 { // .NET's DateTime.MinValue stands for "never"
		return time.Time{}, false, err
	}
	return t.UTC(), zoneless, nil
}
