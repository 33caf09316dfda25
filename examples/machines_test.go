package examples_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"meshrotate/providers/lab/labcli"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/specs"
	"meshrotate/state"
)

// reports are what the README's table "For machines" promises, by verb. Their formats are asked of the program.
func reports() map[string]struct {
	format string
	report any
} {
	type row = struct {
		format string
		report any
	}
	none := &reconciler.Plan{Format: reconciler.PlanFormat}
	outcome := render.OutcomeOf(none, "", 0, reconciler.Outcome{})
	status := render.StatusOf(none, state.History{}, 0, "")
	history, document := render.HistoryOf("", nil), render.DocumentOf(&specs.Deployment{}, nil, nil)
	return map[string]row{
		"plan":     {none.Format, *none},
		"apply":    {outcome.Format, outcome},
		"status":   {status.Format, status},
		"drift":    {status.Drift().Format, status},
		"history":  {history.Format, history},
		"validate": {document.Format, document},
		"explain":  {render.LessonsOf(nil).Format, render.LessonsOf(nil)},
		"demo":     {"none", labcli.Demo{}},
		"bench":    {"none", labcli.Bench{}},
	}
}

// TestReadmeReports reads the README's table of formats: each is the program's, and every field is there.
func TestReadmeReports(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| `?([a-z0-9./]+)`? \\| ([^|]*) \\| `[A-Za-z.]+` \\|$")
	shown := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(read(t, readme), -1) {
		verb, format, fields := m[1], m[2], m[3]
		shown[verb] = true
		r := reports()[verb]
		if r.format != format {
			t.Errorf("%s: the README says format %s, the program %q", verb, format, r.format)
		}
		if list := regexp.MustCompile("^`([^`]*)`").FindStringSubmatch(fields); list != nil && !strings.HasPrefix(fields, "as ") {
			names := regexp.MustCompile(`[A-Za-z_]+|[\[\]{}]`).FindAllString(list[1], -1)
			if rest := demand(t, verb, reflect.TypeOf(r.report), names); len(rest) > 0 {
				t.Errorf("%s: brackets do not match at %v", verb, rest)
			}
		}
	}
	for verb := range reports() {
		if !shown[verb] {
			t.Errorf("the README's table has no row for %s", verb)
		}
	}
}

// demand looks for the fields in a type, until the bracket that closes it, and returns what comes after that.
func demand(t *testing.T, where string, of reflect.Type, names []string) []string {
	t.Helper()
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if name == "]" || name == "}" {
			return names
		}
		f, ok := field(of, name)
		if !ok {
			t.Errorf("%s has no field %s", where, name)
		}
		if len(names) > 0 && (names[0] == "[" || names[0] == "{") {
			names = demand(t, where+"."+name, f, names[1:])
		}
	}
	return nil
}

// field is the type of a field as JSON has it. An op, and the way back from one, write themselves.
func field(of reflect.Type, name string) (reflect.Type, bool) {
	for of != nil && (of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer) {
		of = of.Elem()
	}
	switch of {
	case nil:
		return nil, false
	case reflect.TypeFor[reconciler.Op]():
		of = reflect.TypeFor[reconciler.OpData]()
	case reflect.TypeFor[reconciler.Back]():
		return of, name == "op" || name == "never"
	}
	if of.Kind() != reflect.Struct {
		return nil, false
	}
	for _, f := range reflect.VisibleFields(of) {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return f.Type, true
		}
	}
	return nil, false
}
