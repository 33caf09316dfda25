// Command tests reads `go test -json` and prints what people want of it: each package's result, all that a failed test
// said, and in one closing line how many tests there were and which were skipped.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

func main() {
	said := map[string]string{} // by package and test
	passed := 0
	var skipped, failed []string
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct{ Action, Package, ImportPath, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text())
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "build-output":
			fmt.Print(e.Output)
		case "output":
			said[key] += e.Output
		case "fail":
			failed = append(failed, strings.TrimSpace(strings.TrimPrefix(e.Package, "meshrotate/")+" "+e.Test))
			fmt.Print(said[key])
		case "skip":
			if e.Test != "" { // else a package without tests
				skipped = append(skipped, strings.TrimPrefix(e.Package, "meshrotate/")+" "+e.Test)
			}
		case "pass":
			if e.Test == "" {
				fmt.Print(lastLine(said[key]))
				break
			}
			passed++
		}
		if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
			delete(said, key)
		}
	}
	line := fmt.Sprintf("%d tests passed, %d skipped", passed, len(skipped))
	if len(skipped) > 0 {
		line += ": " + strings.Join(skipped, ", ")
	}
	fmt.Println(line)
	if err := lines.Err(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if len(failed) > 0 {
		fmt.Printf("%d FAILED, packages counted: %s\n", len(failed), strings.Join(failed, ", "))
		os.Exit(1)
	}
}

// lastLine is a package's result, without what its passing tests printed.
func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:] + "\n"
}
