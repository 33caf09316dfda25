package site

import "fmt"

// ReachSeen is how far a sign-in to SQL Server from a host would come. Nobody signs in to find that out.
type ReachSeen struct {
	// Server is whom the string names, with the port.
	Server string
	// Client: the host has a client to sign in with.
	Client bool
	// Error is the number of Windows Sockets that a connection meets, 0 for none.
	Error uint32
	// Unknown is why the port is not known, "" when it is.
	Unknown string
}

// String is what stands in the way, or that nothing does.
func (s *ReachSeen) String() string {
	switch {
	case !s.Client:
		return "its PowerShell has no client of SQL Server"
	case s.Unknown != "":
		return "whether it reaches " + s.Server + " is not known: " + s.Unknown
	case s.Error != 0:
		return "it does not reach " + s.Server + ": " + socketError(s.Error)
	}
	return "it reaches " + s.Server
}

// socketError is what Windows Sockets says (winsock2.h).
func socketError(number uint32) string {
	switch number {
	case 10060:
		return "no answer"
	case 10061:
		return "nobody listens there"
	case 10051, 10065:
		return "there is no route"
	case 11001, 11002, 11004:
		return "the name leads nowhere"
	}
	return fmt.Sprintf("Windows Sockets error %d", number)
}

// Stands says that something is known to stand in the way.
func (s *ReachSeen) Stands() bool { return !s.Client || s.Unknown == "" && s.Error != 0 }
