package sqlserver

import (
	"database/sql/driver"
	"maps"
	"slices"
)

// sees says whether a session may see a login in the catalogue. It is called with the server's mutex held.
func (x *Session) sees(l *Login) bool {
	return l == x.login || l.id == 1 || x.server.may(x.login, "VIEW ANY DEFINITION") || x.server.may(x.login, "ALTER ANY LOGIN")
}

// onServer makes the rows of a view of the instance, under its mutex.
func onServer(rows func(x *Session, s *Server) [][]driver.Value) func(*Session, *Data, string) [][]driver.Value {
	return func(x *Session, _ *Data, _ string) [][]driver.Value {
		x.server.mu.Lock()
		defer x.server.mu.Unlock()
		return rows(x, x.server)
	}
}

func serverViews() []systemView {
	const principal = "name sysname,principal_id int,sid varbinary(85),type nvarchar(1),type_desc nvarchar(60),is_disabled bit,create_date datetime,modify_date datetime,default_database_name sysname,default_language_name sysname,credential_id int"
	return []systemView{
		{"sql_logins", columns(principal + ",is_policy_checked bit,is_expiration_checked bit,password_hash varbinary(256)"), onServer(func(x *Session, s *Server) [][]driver.Value {
			var all [][]driver.Value
			for _, l := range s.logins {
				if !l.Windows && x.sees(l) {
					all = append(all, append(principalRow(l), whether(!l.NoPolicy), whether(l.Expires), nil))
				}
			}
			return all
		})},
		{"server_principals", columns(principal + ",owning_principal_id int,is_fixed_role bit"), onServer(func(x *Session, s *Server) [][]driver.Value {
			var all [][]driver.Value
			for _, l := range s.logins {
				if x.sees(l) {
					all = append(all, append(principalRow(l), nil, int64(0)))
				}
			}
			for i, r := range roleNames() {
				all = append(all, []driver.Value{r, int64(3 + i), []byte{byte(3 + i)}, "R", "SERVER_ROLE", int64(0), Stamp(s.started), Stamp(s.started), nil, nil, nil, int64(1), int64(1)})
			}
			return all
		})},
		{"server_role_members", columns("role_principal_id int,member_principal_id int"), onServer(func(x *Session, s *Server) [][]driver.Value {
			var all [][]driver.Value
			for _, l := range s.logins {
				for i, r := range roleNames() {
					if x.sees(l) && l.inRole(r) {
						all = append(all, []driver.Value{int64(3 + i), int64(l.id)})
					}
				}
			}
			return all
		})},
		{"server_permissions", columns("class tinyint,class_desc nvarchar(60),major_id int,minor_id int,grantee_principal_id int,grantor_principal_id int,type nvarchar(4),permission_name nvarchar(128),state nvarchar(1),state_desc nvarchar(60)"), onServer(func(x *Session, s *Server) [][]driver.Value {
			var all [][]driver.Value
			for _, l := range s.logins {
				if !x.sees(l) {
					continue
				}
				state, desc := grantState(l.NoConnect)
				all = append(all, []driver.Value{int64(100), "SERVER", int64(0), int64(0), int64(l.id), int64(1), "COSQ", "CONNECT SQL", state, desc})
				for _, g := range s.grants {
					if same(g.who, l.Name) {
						state, desc := grantState(g.deny)
						all = append(all, []driver.Value{int64(100), "SERVER", int64(0), int64(0), int64(l.id), int64(1), "", g.permission, state, desc})
					}
				}
			}
			return all
		})},
		{"dm_exec_sessions", columns("session_id smallint,login_time datetime,host_name nvarchar(128),program_name nvarchar(128),host_process_id int,client_version int,client_interface_name nvarchar(32),security_id varbinary(85),login_name nvarchar(128),nt_domain nvarchar(128),nt_user_name nvarchar(128),status nvarchar(30),is_user_process bit,database_id smallint,open_transaction_count int,original_security_id varbinary(85),original_login_name nvarchar(128),last_request_start_time datetime,last_request_end_time datetime,authenticating_database_id int,lock_timeout int"), sessionRows},
		{"dm_exec_connections", columns("session_id int,connect_time datetime,net_transport nvarchar(40),protocol_type nvarchar(40),encrypt_option nvarchar(40),auth_scheme nvarchar(40),client_net_address nvarchar(48),local_tcp_port int"), onServer(func(x *Session, s *Server) [][]driver.Value {
			var all [][]driver.Value
			for _, o := range s.listed(x) {
				encrypted := "FALSE"
				if o.client.Encrypted {
					encrypted = "TRUE"
				}
				all = append(all, []driver.Value{int64(o.ID), Stamp(o.started), "TCP", "TSQL", encrypted, o.scheme(), o.client.Address, int64(1433)})
			}
			return all
		})},
		{"configurations", columns("configuration_id int,name nvarchar(35),value int,value_in_use int"), onServer(func(*Session, *Server) [][]driver.Value {
			return [][]driver.Value{{int64(16393), "contained database authentication", int64(1), int64(1)}}
		})},
	}
}

func roleNames() []string { return slices.Sorted(maps.Keys(serverRoles())) }

func grantState(deny bool) (state, desc string) {
	if deny {
		return "D", "DENY"
	}
	return "G", "GRANT"
}

func principalRow(l *Login) []driver.Value {
	kind, desc := "S", "SQL_LOGIN"
	if l.Windows {
		kind, desc = "U", "WINDOWS_LOGIN"
	}
	return []driver.Value{l.Name, int64(l.id), l.SID, kind, desc, whether(l.Disabled), Stamp(l.created), Stamp(l.modified), l.DefaultDatabase, "us_english", nil}
}

// listed are the sessions that a session may see: its own, unless it may view the server's state. They are in order. It
// is called with the server's mutex held.
func (s *Server) listed(x *Session) []*Session {
	all := s.may(x.login, "VIEW SERVER STATE")
	var out []*Session
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		if o := s.sessions[id]; all || o == x {
			out = append(out, o)
		}
	}
	return out
}

func sessionRows(x *Session, d *Data, _ string) [][]driver.Value {
	d.mu.Lock()
	ids := map[string]int64{}
	for _, db := range d.databases {
		ids[lower(db.Name)] = int64(db.id)
	}
	d.mu.Unlock()
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	all := [][]driver.Value{{int64(1), Stamp(s.started), nil, nil, nil, nil, nil, []byte{1}, "sa", "", "", "background", int64(0), int64(1), int64(0), []byte{1}, "sa", Stamp(s.started), nil, int64(1), int64(-1)}}
	if !s.may(x.login, "VIEW SERVER STATE") {
		all = nil
	}
	for _, o := range s.listed(x) {
		var sid any = []byte(nil)
		if o.login != nil {
			sid = o.login.SID
		} else {
			sid = o.contained.SID
		}
		status := "sleeping"
		if o.busy {
			status = "running"
		}
		authenticating := int64(1)
		if o.home != nil {
			authenticating = int64(o.home.id)
		}
		all = append(all, []driver.Value{int64(o.ID), Stamp(o.started), o.client.Host, o.client.Program, int64(o.client.ProcessID), int64(7), o.client.Interface, sid, o.name(), "", "",
			status, int64(1), ids[lower(o.database)], int64(o.open), sid, o.name(), Stamp(o.active), Stamp(o.active), authenticating, int64(-1)})
	}
	return all
}
