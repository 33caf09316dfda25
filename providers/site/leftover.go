package site

import "meshrotate/reconciler"

// Leftover says that an earlier run has left a staged file or a backup beside a file, and that it is this secret's to remove. Several
// secrets may have their settings in one file: what the run of another one has left there, that one's next run goes on with.
func Leftover(in reconciler.Input, secret, host, path string, file Base) bool {
	return (file.Staged || file.Backup) && in.Owns(secret, reconciler.Step{Phase: reconciler.Prepare, Op: StageSettings{Host: host, Path: path}})
}
