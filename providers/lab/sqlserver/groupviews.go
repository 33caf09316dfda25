package sqlserver

import "database/sql/driver"

// groupViews tell of the availability group, as each replica sees it: the primary sees the state of all, a secondary its own.
func groupViews() []systemView {
	inGroup := func(rows func(x *Session, g *Group) [][]driver.Value) func(*Session, *Data, string) [][]driver.Value {
		return func(x *Session, d *Data, _ string) [][]driver.Value {
			g := x.server.inGroup()
			if g == nil || !x.mayServer("VIEW ANY DEFINITION") && !x.mayServer("VIEW SERVER STATE") {
				return nil
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			return rows(x, g)
		}
	}
	return []systemView{
		{"availability_groups", columns("group_id uniqueidentifier,name sysname,resource_id nvarchar(40)"), inGroup(func(_ *Session, g *Group) [][]driver.Value {
			return [][]driver.Value{{uid(g.Name), g.Name, uid(g.Name + "r")}}
		})},
		{"availability_replicas", columns("replica_id uniqueidentifier,group_id uniqueidentifier,replica_server_name nvarchar(256),endpoint_url nvarchar(128),availability_mode tinyint,availability_mode_desc nvarchar(60),failover_mode tinyint,failover_mode_desc nvarchar(60),secondary_role_allow_connections tinyint,secondary_role_allow_connections_desc nvarchar(60),read_only_routing_url nvarchar(256)"), inGroup(func(_ *Session, g *Group) [][]driver.Value {
			var all [][]driver.Value
			allow, desc := int64(0), "NO"
			if g.Readable {
				allow, desc = 2, "ALL"
			}
			for _, s := range g.replicas {
				n := s.config.Name
				all = append(all, []driver.Value{uid(n), uid(g.Name), n, "TCP://" + n + ":5022", int64(1), "SYNCHRONOUS_COMMIT", int64(0), "AUTOMATIC", allow, desc, nil})
			}
			return all
		})},
		{"dm_hadr_availability_replica_states", columns("replica_id uniqueidentifier,group_id uniqueidentifier,is_local bit,role tinyint,role_desc nvarchar(60),operational_state tinyint,operational_state_desc nvarchar(60),connected_state tinyint,connected_state_desc nvarchar(60),synchronization_health tinyint,synchronization_health_desc nvarchar(60)"), inGroup(func(x *Session, g *Group) [][]driver.Value {
			var all [][]driver.Value
			for _, s := range g.replicas {
				role := g.role(s)
				if s != x.server && g.role(x.server) != rolePrimary {
					continue
				}
				connected, desc := int64(1), "CONNECTED"
				if s != x.server && !s.Up() {
					connected, desc = 0, "DISCONNECTED"
				}
				all = append(all, []driver.Value{uid(s.config.Name), uid(g.Name), whether(s == x.server), int64(role), []string{"RESOLVING", "PRIMARY", "SECONDARY"}[role],
					int64(2), "ONLINE", connected, desc, int64(2), "HEALTHY"})
			}
			return all
		})},
		{"dm_hadr_database_replica_states", columns("database_id int,group_id uniqueidentifier,replica_id uniqueidentifier,group_database_id uniqueidentifier,is_local bit,is_primary_replica bit,synchronization_state tinyint,synchronization_state_desc nvarchar(60),is_suspended bit"), inGroup(func(x *Session, g *Group) [][]driver.Value {
			var all [][]driver.Value
			for _, n := range g.databases {
				db := g.data.database(n)
				for _, s := range g.replicas {
					if db != nil && (s == x.server || g.role(x.server) == rolePrimary) {
						all = append(all, []driver.Value{int64(db.id), uid(g.Name), uid(s.config.Name), uid(g.Name + db.Name), whether(s == x.server), whether(g.role(s) == rolePrimary), int64(2), "SYNCHRONIZED", int64(0)})
					}
				}
			}
			return all
		})},
		{"availability_group_listeners", columns("group_id uniqueidentifier,listener_id nvarchar(36),dns_name nvarchar(63),port int,is_conformant bit"), inGroup(func(_ *Session, g *Group) [][]driver.Value {
			return [][]driver.Value{{uid(g.Name), uid(g.Listener), g.Listener, int64(1433), int64(1)}}
		})},
		{"availability_databases_cluster", columns("group_id uniqueidentifier,group_database_id uniqueidentifier,database_name sysname"), inGroup(func(_ *Session, g *Group) [][]driver.Value {
			var all [][]driver.Value
			for _, n := range g.databases {
				all = append(all, []driver.Value{uid(g.Name), uid(g.Name + n), n})
			}
			return all
		})},
	}
}
