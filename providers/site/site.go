// Package site is the vocabulary of the rotations: what may be asked of a live deployment, what may be done to it, and
// what the answers look like. All of it is data; the package providers connects it to real hosts.
//
// Rotations import this package and never a transport. Ops and reads carry references to secrets, never values.
package site

import "meshrotate/reconciler"

// Host is a Windows machine as a target.
func Host(name string) reconciler.Target {
	return reconciler.Target{Kind: reconciler.HostTarget, Name: name}
}

// API is the Admin API as a target.
var API = reconciler.Target{Kind: reconciler.APITarget}

// Values is the local store of secret values as a target: its ops make a value durable.
var Values = reconciler.Target{Kind: reconciler.ValuesTarget}

// Answer returns the typed answer to a read, nil when there is none.
func Answer[T any](seen reconciler.Seen, r reconciler.Read) *T {
	res, ok := seen.Of(r)
	if !ok {
		return nil
	}
	t, _ := res.(any).(*T)
	return t
}
