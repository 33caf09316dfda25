package sqlserver

import (
	"fmt"
	"hash/fnv"
)

// Group is an availability group: its replicas share databases, and each has its own logins.
type Group struct {
	Name, Listener string
	// Readable lets secondaries be read, with the application's intent or without.
	Readable bool

	data      *Data
	replicas  []*Server
	databases []string
	primary   int // -1 while there is none
}

// NewGroup joins instances that share their Data. The first is the primary.
func NewGroup(name string, databases []string, replicas ...*Server) *Group {
	g := &Group{Name: name, Listener: name + "-listener", data: replicas[0].data, replicas: replicas, databases: databases}
	for _, s := range replicas {
		s.mu.Lock()
		s.group = g
		s.mu.Unlock()
	}
	g.data.mu.Lock()
	defer g.data.mu.Unlock()
	for _, n := range databases {
		if db := g.data.database(n); db != nil {
			db.group = g
		}
	}
	return g
}

// Failover makes another replica the primary; nil leaves none, as while it is resolved. The sessions of the old primary,
// and those that read on the new one, are dropped.
func (g *Group) Failover(to *Server) {
	g.data.mu.Lock()
	before := g.primary
	g.primary = -1
	for i, s := range g.replicas {
		if s == to {
			g.primary = i
		}
	}
	g.data.mu.Unlock()
	if before >= 0 {
		g.replicas[before].Drop(nil)
	}
	if to != nil {
		to.Drop(nil)
	}
}

// Primary is the instance that the listener leads to; nil while there is none.
func (g *Group) Primary() *Server {
	g.data.mu.Lock()
	defer g.data.mu.Unlock()
	if g.primary < 0 {
		return nil
	}
	return g.replicas[g.primary]
}

// The roles of a replica.
const (
	roleResolving = iota
	rolePrimary
	roleSecondary
)

// role is a replica's. It is called with the data's mutex held.
func (g *Group) role(s *Server) int {
	switch {
	case g.primary < 0:
		return roleResolving
	case g.replicas[g.primary] == s:
		return rolePrimary
	}
	return roleSecondary
}

// reachable says why a database of the group cannot be used on a replica. It is called with the data's mutex held.
func (g *Group) reachable(s *Server, database string) *Error {
	switch role := g.role(s); {
	case role == roleResolving:
		return classed(983, 1, 14, "Unable to access availability database '%s' because the database replica is not in the PRIMARY or SECONDARY role. Connections to an availability database is permitted only when the database replica is in the PRIMARY or SECONDARY role. Try the operation again later.", database)
	case role == roleSecondary && !g.Readable:
		return classed(976, 1, 14, "The target database, '%s', is participating in an availability group and is currently not accessible for queries. Either data movement is suspended or the availability replica is not enabled for read access. To allow read-only access to this and other databases in the availability group, enable read access to one or more secondary availability replicas in the group.  For more information, see the ALTER AVAILABILITY GROUP statement in SQL Server Books Online.", database)
	}
	return nil
}

// uid is a stable identifier.
func uid(name string) string {
	f := fnv.New64a()
	_, _ = f.Write([]byte(name))
	n := f.Sum64()
	return fmt.Sprintf("%08X-%04X-4000-8000-%012X", uint32(n>>32), uint16(n>>16), n&0xffffffffffff)
}
