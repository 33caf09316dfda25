package connstring

import (
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

func TestEveryEdit(t *testing.T) {
	set, refused, removed := 0, 0, 0
	for _, c := range lines[struct {
		ID, Text string
		Input    repeated
		OK       bool
		Edits    []struct {
			Op, Key string
			Value   *repeated
		}
		Set [][2]repeated
	}](t, "edits.jsonl.gz") {
		before, err := parse(string(c.Input))
		if err != nil {
			t.Errorf("%s %.80q: %v", c.ID, c.Input, err)
			continue
		}
		var edits []Edit
		for _, e := range c.Edits {
			if e.Value != nil {
				edits = append(edits, Edit{e.Key, secret.NewString(string(*e.Value))})
				continue
			}
			removed++
			if before, err = parse(takenOut(before, e.Key)); err != nil || !c.OK {
				t.Errorf("%s %.80q: without %s: %v", c.ID, c.Input, e.Key, err)
			}
		}
		if len(edits) == 0 {
			checkSet(t, c.ID, before, c.Set)
			continue
		}
		after, err := before.Set(edits...)
		if (err == nil) != c.OK {
			t.Errorf("%s %.80q: .NET says %v: %v", c.ID, c.Input, c.OK, err)
		}
		if err != nil {
			refused++
			continue
		}
		set++
		checkSet(t, c.ID, after, c.Set)
	}
	t.Logf("%d edited, %d refused, %d keywords taken out", set, refused, removed)
	if set+refused+removed != 1620 || removed != 40 {
		t.Error("not as many as there were")
	}
}

// takenOut is the text without a keyword: no rotation does, but where pairs begin and end must be known as .NET knows it.
func takenOut(s String, keyword string) string {
	c := s.reveal()
	var after strings.Builder
	done := 0
	for _, p := range c.pairs {
		if known(p.name) == known(lower(keyword)) {
			after.WriteString(c.text[done:p.at])
			done = p.to
		}
	}
	after.WriteString(c.text[done:])
	return after.String()
}

func TestEveryAppend(t *testing.T) {
	appended, refused, foreign := 0, 0, 0
	for _, c := range lines[struct {
		ID, Keyword        string
		Text, Start, Value repeated
		OK                 bool
		ReadBack           *repeated `json:"read_back"`
	}](t, "appends.jsonl.gz") {
		before, err := parse(string(c.Start))
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		after, err := before.Set(Edit{c.Keyword, secret.NewString(string(c.Value))})
		known := known(lower(c.Keyword)) != ""
		long := utf16Len(string(c.Value)) > limit // which a connection would refuse
		if (err == nil) != (c.OK && known && !long) {
			t.Errorf("%s: .NET says %v: %v", c.ID, c.OK, err)
		}
		switch flawed := c.OK && (c.ReadBack == nil || *c.ReadBack != c.Value); {
		case err != nil && c.OK && !known: // not a keyword of SqlClient: the spelling is still the same
			foreign++
			var written strings.Builder
			written.WriteString(string(c.Start))
			if add(&written, c.Keyword, string(c.Value)); written.String() != string(c.Text) {
				t.Errorf("%s: %q, .NET writes %q", c.ID, written.String(), c.Text)
			}
		case err != nil:
			refused++
		case string(after.Get(c.Keyword).Expose()) != string(c.Value):
			t.Errorf("%s: %q is not read back", c.ID, c.Value)
		case !flawed && !strings.EqualFold(string(after.Text().Expose()), string(c.Text)):
			t.Errorf("%s: %q, .NET writes %q", c.ID, after.Text().Expose(), c.Text)
		default:
			appended++
		}
	}
	t.Logf("%d appended, %d refused, %d of keywords that SqlClient does not know, written alike", appended, refused, foreign)
	if appended+refused+foreign != 403 {
		t.Error("not as many as there were")
	}
}
