package specs_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"meshrotate/specs"
)

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		reason, json string
		want         specs.Version // empty: refused
	}{
		{"a number", `7`, "7"},
		{"the same as a text", `"7"`, "7"},
		{"a month", `"2026-11"`, "2026-11"},
		{"zero is a version", `0`, "0"},
		{"the largest", `18446744073709551615`, "18446744073709551615"},
		{"64 characters", `"` + strings.Repeat("x", 64) + `"`, specs.Version(strings.Repeat("x", 64))},
		{"65 do not fit a file's name", `"` + strings.Repeat("x", 65) + `"`, ""},
		{"empty names nothing", `""`, ""},
		{"a fraction loses how it is written", `1.10`, ""},
		{"an exponent too", `1e3`, ""},
		{"below zero", `-1`, ""},
		{"a path", `"../x"`, ""},
		{"a space", `"a b"`, ""},
		{"a line", `"a\n"`, ""},
		{"null", `null`, ""},
		{"a truth value", `true`, ""},
		{"a list", `[7]`, ""},
	} {
		t.Run(c.reason, func(t *testing.T) {
			var got specs.Version
			if err := json.Unmarshal([]byte(c.json), &got); (err != nil) != (c.want == "") || got != c.want {
				t.Errorf("%s gives %q, %v; want %q", c.json, got, err, c.want)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		reason, text string
		want         time.Duration // 0: refused
	}{
		{"seconds", "30s", 30 * time.Second},
		{"minutes", "5m", 5 * time.Minute},
		{"hours", "12h", 12 * time.Hour},
		{"a day has 24 hours", "90d", 90 * 24 * time.Hour},
		{"a year has 365 days", "1y", 365 * 24 * time.Hour},
		{"the longest still fits", "100y", 100 * 365 * 24 * time.Hour},
		{"the longest in hours", "876000h", 100 * 365 * 24 * time.Hour},
		{"longer", "876001h", 0},
		{"longer in years", "101y", 0},
		{"too many digits", "9999999999s", 0},
		{"no unit", "90", 0},
		{"no number", "d", 0},
		{"nothing", "", 0},
		{"zero is not a span", "0s", 0},
		{"below zero", "-1d", 0},
		{"a fraction", "1.5h", 0},
		{"several units", "1d12h", 0},
		{"a space", "90 d", 0},
		{"capitals", "90D", 0},
		{"a week is not one of the units", "2w", 0},
		{"digits of another script", "٣d", 0},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got, err := specs.ParseDuration(c.text)
			if (err != nil) != (c.want == 0) || got.Of() != c.want {
				t.Errorf("%q gives %v, %v; want %v", c.text, got.Of(), err, c.want)
			}
			if err == nil && got.String() != c.text {
				t.Errorf("%q is written %q", c.text, got)
			}
		})
	}
	if !(specs.Duration{}).IsZero() {
		t.Error("the zero Duration is not zero")
	}
}

func TestSource(t *testing.T) {
	for _, c := range []struct {
		reason, json, want string // empty: refused
	}{
		{"the word", `"generated"`, "generated"},
		{"a variable", `{"env": "A"}`, "env A"},
		{"a file", `{"file": "a.age"}`, "file a.age"},
		{"another word may be a secret", `"hunter2"`, ""},
		{"two places", `{"env": "A", "file": "b"}`, ""},
		{"no place", `{}`, ""},
		{"an empty place", `{"env": ""}`, ""},
		{"an unknown place", `{"hunter2": "x"}`, ""},
		{"generated is no key", `{"generated": true}`, ""},
		{"a number", `5`, ""},
		{"null", `null`, ""},
	} {
		t.Run(c.reason, func(t *testing.T) {
			var got specs.Source
			err := got.UnmarshalJSON([]byte(c.json))
			if (err != nil) != (c.want == "") || got.String() != c.want {
				t.Errorf("%s gives %q, %v; want %q", c.json, got, err, c.want)
			}
			if err != nil {
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the text is repeated: %v", err)
				}
				return
			}
			data, err := json.Marshal(got)
			var again specs.Source
			if err != nil || json.Unmarshal(data, &again) != nil || again != got {
				t.Errorf("%v is written %s, %v", got, data, err)
			}
		})
	}
}
