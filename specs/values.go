package specs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Version names one value of a secret. In YAML it may be a whole number or a text: 7, "2026-11". Text 7 and number 7
// are the same version.
type Version string

// versionForm is what a Version may hold: it becomes part of file names and of host frames.
const versionForm = `^[A-Za-z0-9._-]{1,64}$`

var isVersion = form(versionForm)

// form compiles one when it is first asked for: a start asks for few.
func form(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// SchemaJSON is the JSON Schema of a Version.
func (Version) SchemaJSON() string {
	return `{"title": "version", "description": "A whole number, or a text of 1 to 64 letters, digits, dots, ` +
		`hyphens and underscores.", "examples": [7, "2026-11"], "anyOf": [{"type": "integer", "minimum": 0}, ` +
		`{"type": "string", "pattern": "` + versionForm + `"}]}`
}

// UnmarshalJSON reads a whole number or a text. Its errors do not repeat the input.
func (v *Version) UnmarshalJSON(data []byte) error {
	var text string
	if len(data) > 0 && data[0] != '"' {
		if _, err := strconv.ParseUint(string(data), 10, 64); err != nil {
			return fmt.Errorf("a version is a whole number or a text in quotes")
		}
		text = string(data)
	} else if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a version is a whole number or a text in quotes")
	}
	if !isVersion().MatchString(text) {
		return fmt.Errorf("a version has 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	*v = Version(text)
	return nil
}

// Duration is a span as people write it: 90d, 1y, 12h, 5m, 30s. The zero Duration is none at all.
type Duration struct {
	// Text is as written.
	Text string
	// Seconds is its length; a day has 86,400, a year 365 days.
	Seconds float64
}

// durationForm allows up to 100 years, so that every Duration fits a time.Duration.
const durationForm = `^([1-9][0-9]{0,8}[smh]|[1-9][0-9]{0,3}d|([1-9][0-9]?|100)y)$`

var isDuration = form(durationForm)

// ParseDuration reads one number and one unit: s, m, h, d or y. The longest is 100y. Its error does not repeat text.
func ParseDuration(text string) (Duration, error) {
	units := map[byte]float64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'y': 365 * 86400}
	if !isDuration().MatchString(text) {
		return Duration{}, fmt.Errorf("a duration is a number and a unit: 30s, 5m, 12h, 90d, 1y")
	}
	n, err := strconv.ParseFloat(text[:len(text)-1], 64)
	if err != nil {
		return Duration{}, fmt.Errorf("a duration is a number and a unit: 30s, 5m, 12h, 90d, 1y")
	}
	if n *= units[text[len(text)-1]]; n > 100*365*86400 {
		return Duration{}, fmt.Errorf("a duration is at most 100y")
	}
	return Duration{Text: text, Seconds: n}, nil
}

// MustDuration is ParseDuration for constants. It panics where that fails.
func MustDuration(text string) Duration {
	d, err := ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

// Of is the Duration as Go has it, 0 for the zero Duration.
func (d Duration) Of() time.Duration { return time.Duration(d.Seconds * float64(time.Second)) }

// IsZero says that no duration was given.
func (d Duration) IsZero() bool { return d == Duration{} }

// String is the Duration as written, empty for the zero Duration.
func (d Duration) String() string { return d.Text }

// SchemaJSON is the JSON Schema of a Duration.
func (Duration) SchemaJSON() string {
	return `{"title": "duration", "type": "string", "description": "A number and a unit: s, m, h, d (24 hours) or y ` +
		`(365 days). At most 100y.", "examples": ["90d", "1y", "12h", "30s"], "pattern": "` + durationForm + `"}`
}

// MarshalText writes the Duration as it was written.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.Text), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}
