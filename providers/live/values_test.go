package live

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	inmemory "meshrotate/state/memory"
)

// slowSource takes a second for each value, and counts how many it is asked for at a time.
type slowSource struct {
	mu        sync.Mutex
	now, most int
}

func (s *slowSource) Get(_ context.Context, ref secret.Ref) (secret.Value, error) {
	s.count(1)
	defer s.count(-1)
	time.Sleep(time.Second)
	return secret.NewString("the value of " + ref.Name), nil
}

func (s *slowSource) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += n
	s.most = max(s.most, s.now)
}

// A thousand values are asked for together, in a look and before they are kept, and never more than so many at a time.
func TestAThousandValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		identity, _, err := values.NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		seal, err := values.SealFrom(nil, values.Config{LookupEnv: func(string) (string, bool) { return string(identity.Expose()), true }})
		if err != nil {
			t.Fatal(err)
		}
		source := &slowSource{}
		s := values.Supply{Keep: values.NewKeep(inmemory.New().Open().State().Values, seal), Sources: map[string]values.Source{}, Declared: map[string]string{}}
		var reads []reconciler.Read
		for i := range n {
			name := fmt.Sprintf("connector:%d", i)
			s.Sources[name], s.Declared[name] = source, "1"
			reads = append(reads, site.Value{Secret: secret.Ref{Name: name, Version: "1"}})
		}
		began := time.Now()
		look := (&kept{supply: s}).look(t.Context(), site.Values, reads, secret.Value{})
		if took := time.Since(began); len(look.Results) != n || took > (n/mostAtOnce+1)*time.Second || source.most != mostAtOnce {
			t.Errorf("%d values in %s, %d at a time", len(look.Results), took, source.most)
		}
		if took := time.Since(began); took > 2*time.Minute { // whatever mostAtOnce is: one after the other they take 17 minutes
			t.Errorf("a plan waits %s for them", took)
		}

		// What a look has not read is read before it is kept, and nothing else is done before all are.
		var steps []reconciler.Step
		for _, r := range reads {
			steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Op: site.Keep{Secret: r.(site.Value).Secret}})
		}
		source.most, began = 0, time.Now()
		reports := (&kept{supply: values.Supply{Keep: s.Keep, Sources: s.Sources, Declared: s.Declared}}).do(t.Context(), site.Values, steps, nil)
		if took := time.Since(began); len(reports) != n || took > (n/mostAtOnce+1)*time.Second || took < n/mostAtOnce*time.Second || source.most != mostAtOnce {
			t.Errorf("%d values kept in %s, %d at a time", len(reports), took, source.most)
		}
		for _, r := range reads {
			if _, err := s.Keep.Get(t.Context(), r.(site.Value).Secret); err != nil {
				t.Fatal(err)
			}
		}
	})
}

type fixedSource string

func (s fixedSource) Get(context.Context, secret.Ref) (secret.Value, error) {
	return secret.NewString(string(s)), nil
}

// What was reviewed is one value of a source: with another there the plan is another, and nobody who has only the plan can test guesses.
func TestAPlanIsOfOneValue(t *testing.T) {
	identity, _, err := values.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: func(string) (string, bool) { return string(identity.Expose()), true }})
	if err != nil {
		t.Fatal(err)
	}
	read := site.Value{Secret: secret.Ref{Name: "connector:ad", Version: "5"}}
	fact := func(value, salt string) string {
		s := values.Supply{Keep: values.NewKeep(inmemory.New().Open().State().Values, seal), Sources: map[string]values.Source{"connector:ad": fixedSource(value)}, Declared: map[string]string{"connector:ad": "5"}}
		look := (&kept{supply: s}).look(t.Context(), site.Values, []reconciler.Read{read}, secret.NewString(salt))
		facts := look.Results[read.Key()].Facts()
		if len(facts) != 1 || strings.Contains(facts[0].Value, value) {
			t.Fatalf("%v", facts)
		}
		return facts[0].Value
	}
	one := fact("hunter2-one", "salt")
	if fact("hunter2-one", "salt") != one {
		t.Error("the same value is another fact")
	}
	if fact("hunter2-two", "salt") == one || fact("hunter2-one", "other salt") == one {
		t.Errorf("another value, or another salt, is the same fact: %s", one)
	}
}
