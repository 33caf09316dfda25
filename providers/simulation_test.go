package providers_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var (
	schedules    = flag.Int("schedules", 100/max(1, sample), "how many random schedules TestSimulation runs")
	first        = flag.Uint64("first", 1, "the first of their seeds")
	seed         = flag.Int64("seed", -1, "run the schedule of this seed alone, and tell it event for event")
	scheduleFile = flag.String("schedule", "", "run the schedule in this file alone, as JSON, and tell it event for event")
)

// TestSimulation lives through random schedules: deployments, commits, drift, two operators, and what fails on the way. What is
// checked is the world, not the engine's words. A schedule that breaks an invariant is reduced to the parts that it needs.
func TestSimulation(t *testing.T) {
	vendor()
	if *scheduleFile != "" || *seed >= 0 {
		replay(t)
		return
	}
	for s := *first; s < *first+uint64(*schedules); s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			drawn := draw(s)
			broken, _ := liveThrough(t, drawn)
			if len(broken) == 0 {
				return
			}
			small, broken := reduce(t, drawn, broken, func(s schedule) []string {
				broken, _ := liveThrough(t, s)
				return broken
			})
			t.Errorf("%s\nagain: go test ./providers -run 'Simulation$' -args -seed %d\nreduced, to be run with -schedule FILE:\n%s",
				strings.Join(broken, "\n"), s, written(t, small))
		})
	}
}

// onceBroken are seeds whose schedules broke an invariant once, each in another way.
var onceBroken = []uint64{32010752, 12000624, 11000938, 6001053, 6000997, 248, 717, 969, 1427, 1477, 1449, 1770, 1878, 2080, 2189, 2203, 2468, 2499, 2913, 3261, 3949, 4286, 4549, 4730, 5264, 5697, 5958, 6143, 6282, 6796, 7107, 7176, 7392, 7808, 7906, 8053, 8336,
	8754, 8798, 8894, 9219, 9477, 9614, 10425, 10749, 13271, 14429, 15882, 17682, 17751, 17766, 18652, 19239,
	23335, 23451, 23774, 24646, 25179, 25546, 25715, 25756, 29080, 30398, 31540, 35680, 40353,
	64367, 65770, 66730, 66859, 69693, 80257, 80297, 81972, 94487, 94591, 96342, 97360, 100055, 208596, 209126, 300672, 303286, 304339, 308321, 313016, 700238,
	5133, 6288, 402766, 403121, 500250, 500273, 500455, 500528, 600320, 600697, 610222, 601478, 601860, 601906, 622390, 622560, 627306, 628291, 630435, 641967, 675585, 677299, 801410, 810404, 811988, 1001417, 891875, 2095962,
	2095351, 2710387, 4002618, 7000116, 8000100, 8006039, 10400642, 10400712, 12001288, 12003979, 2905507, 22002553, 22002649, 22005189, 22009525, 22002361, 24000550, 88112288, 27001672, 2712139, 34000316, 36000168, 36002699, 37001879, 39002716, 39102972, 500698, 500276, 77102242, 77101706, 40001956, 40005604,
	1328, 530143, 45008721, 46000369, 46200248, 48000116, 48000723, 48002946, 48002979, 49004820, 50003071, 58009840, 61001628, 60300011,
	60000226, 60001288, 60002853, 60003291, 60003656, 60004397, 60006111, 60007181, 60012401, 59000039, 60030032}

func TestSimulationOfWhatBrokeOnce(t *testing.T) {
	vendor()
	for _, s := range onceBroken {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			if broken, _ := liveThrough(t, draw(s)); len(broken) > 0 {
				t.Errorf("%s\nagain: go test ./providers -run Simulation$ -args -seed %d", strings.Join(broken, "\n"), s)
			}
		})
	}
}

// replay tells one schedule.
func replay(t *testing.T) {
	s := draw(uint64(max(0, *seed)))
	if *scheduleFile != "" {
		b, err := os.ReadFile(*scheduleFile)
		if err == nil {
			s = schedule{}
			err = json.Unmarshal(b, &s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	broken, trace := liveThrough(t, s)
	fmt.Printf("%s\n%s\n", written(t, s), strings.Join(trace, "\n"))
	for _, b := range broken {
		t.Error(b)
	}
}

func written(t *testing.T, s schedule) string {
	t.Helper()
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// One seed is one universe: what was once seen can be seen again, event for event.
func TestSimulationIsTheSameAgain(t *testing.T) {
	vendor()
	if *scheduleFile != "" || *seed >= 0 {
		return // told by TestSimulation
	}
	for s := range uint64(100 / max(1, sample)) {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			_, trace := liveThrough(t, draw(s))
			_, again := liveThrough(t, draw(s))
			if slices.Equal(trace, again) {
				return
			}
			for i := range trace {
				if i >= len(again) || trace[i] != again[i] {
					t.Fatalf("it differs:\n%s\nand now:\n%s", strings.Join(trace[max(0, i-10):min(i+3, len(trace))], "\n"),
						strings.Join(again[max(0, min(i, len(again))-3):min(i+3, len(again))], "\n"))
				}
			}
			t.Fatalf("%d lines, and now %d", len(trace), len(again))
		})
	}
}
