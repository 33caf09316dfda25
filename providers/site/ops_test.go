package site

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
)

// targetOf is where ops of a kind are done.
func targetOf(t *testing.T, kind string) reconciler.Target {
	t.Helper()
	for _, target := range []reconciler.Target{Host("relay-07.example"), SQL("sql01.example"), API, Values} {
		if op, err := kinds[kind](target, nil); err == nil && op.Target() == target {
			return target
		}
	}
	t.Fatalf("an op of kind %q has no target", kind)
	return reconciler.Target{}
}

// full is an op of a kind with every field set, and none to the same as another.
func full(t *testing.T, kind string) reconciler.Op {
	t.Helper()
	target := targetOf(t, kind)
	empty, err := kinds[kind](target, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.New(reflect.TypeOf(empty)).Elem()
	n := 0
	fill(t, v, kind, &n)
	if f := v.FieldByName("Host"); f.IsValid() {
		f.SetString(target.Name) // it is the target's
	}
	return v.Interface().(reconciler.Op)
}

func fill(t *testing.T, v reflect.Value, name string, n *int) {
	t.Helper()
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(`a "value" \ <&> ` + name + string(rune('a'+*n%26)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		if v.Type() != reflect.TypeFor[reconciler.Span]() {
			t.Fatalf("%s is a %s: how is it filled?", name, v.Type())
		}
		v.SetInt(int64(time.Duration(*n)*time.Second + 500*time.Millisecond))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), name, n)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(int64(*n), 500).UTC()))
			return
		}
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				t.Fatalf("%s.%s is not exported: it is lost on the way", name, v.Type().Field(i).Name)
			}
			fill(t, v.Field(i), name+"."+v.Type().Field(i).Name, n)
		}
	default:
		t.Fatalf("%s is a %s: how is it filled?", name, v.Type())
	}
}

// zeroes names the fields that are not set.
func zeroes(v reflect.Value, name string) []string {
	var all []string
	switch {
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			all = append(all, zeroes(v.Field(i), name+"."+v.Type().Field(i).Name)...)
		}
	default:
		if v.IsZero() {
			all = append(all, name)
		}
	}
	return all
}

// written is an op as it travels.
func written(t *testing.T, op reconciler.Op) []byte {
	t.Helper()
	d, err := reconciler.DataOf(op)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readBack(b []byte) (reconciler.Op, error) {
	var d reconciler.OpData
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, err
	}
	return ReadOp(d)
}

// What is written of an op is all of it.
func TestOpsAreReadBack(t *testing.T) {
	if len(kinds) < 15 {
		t.Fatalf("only %d kinds of op", len(kinds))
	}
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			op := full(t, kind)
			if op.Kind() != kind {
				t.Fatalf("it calls itself %q", op.Kind())
			}
			if unset := zeroes(reflect.ValueOf(op), kind); len(unset) > 0 {
				t.Fatalf("the test does not set %v", unset)
			}
			b := written(t, op)
			back, err := readBack(b)
			if err != nil {
				t.Fatalf("%v: %s", err, b)
			}
			if !reflect.DeepEqual(op, back) {
				t.Errorf("it was  %#v\nand is %#v\nby     %s", op, back, b)
			}
			if b2 := written(t, back); string(b) != string(b2) {
				t.Errorf("written again it is %s, not %s", b2, b)
			}
			zero := reflect.New(reflect.TypeOf(op)).Elem()
			if f := zero.FieldByName("Host"); f.IsValid() {
				f.SetString(op.Target().Name)
			}
			empty := zero.Interface().(reconciler.Op)
			if back, err := readBack(written(t, empty)); err != nil || !reflect.DeepEqual(back, empty) {
				t.Errorf("without a field set it is %#v: %v", back, err)
			}
		})
	}
}

// An op merges with its like into the very op: two secrets that want the same thing get it once.
func TestOpsMergeWithTheirLike(t *testing.T) {
	for kind := range kinds {
		op := full(t, kind)
		if merged, err := op.Merge(op); err != nil || !reflect.DeepEqual(merged, op) {
			t.Errorf("%s: %#v, %v", kind, merged, err)
		}
	}
}

func TestBadData(t *testing.T) {
	for _, c := range []struct{ reason, data, says string }{
		{"nobody knows the kind", `{"kind":"format","target":{"kind":"host","name":"a"}}`, `no op of kind "format"`},
		{"no kind", `{"target":{"kind":"host","name":"a"}}`, `no op of kind ""`},
		{"a host's op on the Admin API", `{"kind":"swap","target":{"kind":"admin-api"},"args":{"path":"p"}}`, "not done on Admin API"},
		{"the Admin API's op on a host", `{"kind":"call","target":{"kind":"host","name":"a"},"args":{"path":"p","what":"w"}}`, "not done on a"},
		{"a target of no known kind", `{"kind":"swap","target":{"kind":"database","name":"a"},"args":{"path":"p"}}`, "not done on a"},
		{"no target", `{"kind":"keep","args":{"secret":{"name":"a","version":"1"}}}`, "not done on"},
		{"another type of value", `{"kind":"swap","target":{"kind":"host","name":"a"},"args":{"path":7}}`, "swap"},
		{"arguments that are a list", `{"kind":"swap","target":{"kind":"host","name":"a"},"args":["p"]}`, "swap"},
		{"an argument that this program does not know", `{"kind":"swap","target":{"kind":"host","name":"a"},"args":{"path":"p","force":true}}`, "force"},
		{"an argument within an argument", `{"kind":"keep","target":{"kind":"values"},"args":{"secret":{"name":"a","version":"1","value":"x"}}}`, "value"},
		{"a time that is none", `{"kind":"await-ready","target":{"kind":"admin-api"},"args":{"timeout":"1m"}}`, "await-ready"},
	} {
		op, err := readBack([]byte(c.data))
		if err == nil || op != nil {
			t.Errorf("%s: read as %#v", c.reason, op)
			continue
		}
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the error does not say %q: %v", c.reason, c.says, err)
		}
	}
	for kind := range kinds {
		if op, err := ReadOp(reconciler.OpData{Kind: kind, Target: targetOf(t, kind), Args: json.RawMessage(`{"`)}); err == nil || !strings.Contains(err.Error(), kind) {
			t.Errorf("%s: arguments that are cut are read as %#v, %v", kind, op, err)
		}
		if op, err := ReadOp(reconciler.OpData{Kind: kind, Target: targetOf(t, kind), Args: json.RawMessage(`{} {}`)}); err == nil {
			t.Errorf("%s: two sets of arguments are read as %#v", kind, op)
		}
	}
}

// A date may mean its whole day, in the zone of the answer. A moment that was written without a zone in the file has one in the answer.
func TestWhatHasPassed(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		served string
		within time.Duration
		passed bool
	}{
		{"2026-11-28T08:59:00Z", 0, true},
		{"2026-11-28T09:01:00Z", 0, false},
		{"2026-11-28T08:27:00Z", 14 * time.Hour, true},
		{"2026-11-27T00:00:00Z", 38 * time.Hour, true},
		{"2026-11-27T23:59:59.9999999Z", 38 * time.Hour, true},
		{"2026-11-28T00:00:00Z", 38 * time.Hour, false},
		{"2026-11-27T11:00:00Z", 38 * time.Hour, false},
		{"", 0, false},
		{Never, 0, false},
	} {
		f := Field{Time: true, Lasting: true, Within: reconciler.Span(c.within)}
		if got := f.Passed(c.served, now); got != c.passed {
			t.Errorf("%q within %s: passed is %v", c.served, c.within, got)
		}
	}
}
