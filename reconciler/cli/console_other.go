//go:build !windows

package cli

import "os"

// understandsEscapes says whether a terminal understands escape sequences: here all of them do.
func understandsEscapes(*os.File) bool { return true }
