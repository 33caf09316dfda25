# What meshrotate runs on a Windows host. The bootstrap has read this text from standard input, checked its SHA-256,
# and left $hostIn, Read-Into, strict error handling behind. Windows PowerShell 5.1 and PowerShell 7 run it.
#
# It answers frames (see Frame in frame.go) until the end of input. Rules that every line keeps:
# - Contents of files are byte arrays, touched by .NET methods and operators only. No cmdlet's argument and no pipeline
#   holds one: module logging (event 4103) would record it.
# - A whole request is read before anything is done, and a whole reply is written at once.
# - Messages never hold content: an exception's text is passed on only when Windows has a number for it.
#
# What only Windows has is in the functions between "Windows only" and "end", each with plain arguments and results. An
# alias of the same name, set before the script runs, takes a function's place: that is how tests run it elsewhere.
Set-StrictMode -Version 2
$hostOut = [Console]::OpenStandardOutput()
$sha = [Security.Cryptography.SHA256CryptoServiceProvider]::new()   # the one that FIPS mode allows

# --- Windows only ------------------------------------------------------------------------------------------------

# Resolve-HostPath PATH: the path with its %variables% replaced. A 32-bit process has another %ProgramFiles%.
function Resolve-HostPath([string]$path) {
    $path = [regex]::Replace($path, '(?i)%CommonApplicationData%', '%ProgramData%')
    if ([Environment]::GetEnvironmentVariable('ProgramW6432')) { $path = [regex]::Replace($path, '(?i)%ProgramFiles%', '%ProgramW6432%') }
    [Environment]::ExpandEnvironmentVariables($path)
}

# Get-HostAcl PATH SECTIONS: the file's security (FileSecurity). PowerShell 7 keeps the calls in another class.
function Get-HostAclClass { [type]::GetType('System.IO.FileSystemAclExtensions, System.IO.FileSystem.AccessControl') }
function Get-HostAcl([string]$path, [Security.AccessControl.AccessControlSections]$sections) {
    $newer = Get-HostAclClass
    if ($null -ne $newer) { return $newer::GetAccessControl([IO.FileInfo]::new($path), $sections) }
    [IO.File]::GetAccessControl($path, $sections)
}

# New-HostFile PATH LIKE: a stream that writes a new file, which has LIKE's access rules from its first moment.
function New-HostFile([string]$path, [string]$like) {
    $mode = [IO.FileMode]::CreateNew; $rights = [Security.AccessControl.FileSystemRights]::Write; $share = [IO.FileShare]::None
    $rules = Get-HostAcl $like 'Access'; $newer = Get-HostAclClass
    if ($null -ne $newer) { return $newer::Create([IO.FileInfo]::new($path), $mode, $rights, $share, 65536, [IO.FileOptions]::None, $rules) }
    [IO.FileStream]::new($path, $mode, $rights, $share, 65536, [IO.FileOptions]::None, $rules)
}

# Get-HostAccess PATH: who owns the file (a SID), and whether Users, Everyone or Authenticated Users may read it.
function Get-HostAccess([string]$path) {
    $all = Get-HostAcl $path 'Access, Owner'; $sid = [Security.Principal.SecurityIdentifier]; $open = 'no'
    foreach ($rule in $all.GetAccessRules($true, $true, $sid)) {
        $everybody = @('S-1-1-0', 'S-1-5-11', 'S-1-5-32-545') -contains $rule.IdentityReference.Value
        if ($everybody -and [string]$rule.AccessControlType -eq 'Allow' -and ([int]$rule.FileSystemRights -band 1)) { $open = 'yes' }
    }
    @{ owner = $all.GetOwner($sid).Value; usersCanRead = $open }
}

# Get-HostFreeSpace PATH: bytes free on the file's volume, for this user.
function Get-HostFreeSpace([string]$path) { [IO.DriveInfo]::new([IO.Path]::GetPathRoot($path)).AvailableFreeSpace }

# Invoke-HostReplace FROM TO BACKUP: ReplaceFile. Without a backup, its error 1176 would lose the file.
function Invoke-HostReplace([string]$from, [string]$to, [string]$backup) { [IO.File]::Replace($from, $to, $backup, $false) }

function Open-HostKey([string]$path) {
    [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, [Microsoft.Win32.RegistryView]::Registry64).OpenSubKey($path)
}

# Get-HostIdentity: @{ machineGuid; domain; elevated }.
function Get-HostIdentity {
    $me = [Security.Principal.WindowsPrincipal]::new([Security.Principal.WindowsIdentity]::GetCurrent())
    $elevated = 'no'; if ($me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) { $elevated = 'yes' }
    $key = Open-HostKey 'SOFTWARE\Microsoft\Cryptography'; $guid = ''
    if ($null -ne $key) { $guid = [string]$key.GetValue('MachineGuid', '') }
    @{ machineGuid = $guid; elevated = $elevated; domain = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties().DomainName }
}

# Get-HostEnvironment SERVICE: a table of the service's own variables; of the machine's when SERVICE is ''.
function Get-HostEnvironment([string]$service) {
    $found = @{}
    if ($service -eq '') {
        $key = Open-HostKey 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
        foreach ($name in $key.GetValueNames()) { $found[$name] = [string]$key.GetValue($name) }
        return $found
    }
    $key = Open-HostKey ('SYSTEM\CurrentControlSet\Services\' + $service)
    if ($null -eq $key) { throw [ComponentModel.Win32Exception]::new(1060) }
    foreach ($line in @($key.GetValue('Environment', @()))) {
        $at = $line.IndexOf('=')
        if ($at -gt 0) { $found[$line.Substring(0, $at)] = $line.Substring($at + 1) }
    }
    $found
}

# Get-HostServiceStatus NAME: @{ state; processId; exitCode }, or nothing when there is no such service. .NET has no
# call that tells the process, so this asks Windows itself.
function Get-HostServiceStatus([string]$name) {
    if ($null -eq ('MeshrotateService' -as [type])) { Add-Type -TypeDefinition @'
using System; using System.ComponentModel; using System.Runtime.InteropServices;
public static class MeshrotateService {
  [DllImport("advapi32.dll", CharSet = CharSet.Unicode, SetLastError = true)] static extern IntPtr OpenSCManager(string machine, string database, uint access);
  [DllImport("advapi32.dll", CharSet = CharSet.Unicode, SetLastError = true)] static extern IntPtr OpenService(IntPtr manager, string name, uint access);
  [DllImport("advapi32.dll", SetLastError = true)] static extern bool QueryServiceStatusEx(IntPtr service, int level, int[] status, int size, out int needed);
  [DllImport("advapi32.dll")] static extern bool CloseServiceHandle(IntPtr handle);
  public static int[] Query(string name) {
    IntPtr manager = OpenSCManager(null, null, 1);
    if (manager == IntPtr.Zero) throw new Win32Exception(Marshal.GetLastWin32Error());
    try {
      IntPtr service = OpenService(manager, name, 4);
      if (service == IntPtr.Zero) {
        int error = Marshal.GetLastWin32Error();
        if (error == 1060) return null;
        throw new Win32Exception(error);
      }
      try {
        int[] status = new int[9]; int needed;
        if (!QueryServiceStatusEx(service, 0, status, 36, out needed)) throw new Win32Exception(Marshal.GetLastWin32Error());
        return status;
      } finally { CloseServiceHandle(service); }
    } finally { CloseServiceHandle(manager); }
  }
}
'@ }
    $s = ('MeshrotateService' -as [type])::Query($name)
    if ($null -eq $s) { return $null }
    $code = $s[3]; if ($code -eq 1066) { $code = $s[4] }   # 1066: the service has a code of its own
    $state = @('', 'stopped', 'startPending', 'stopPending', 'running', 'continuePending', 'pausePending', 'paused')[$s[1]]
    @{ state = $state; processId = $s[7]; exitCode = ([long]$code -band 4294967295) }
}

# Get-HostServiceConfig NAME: @{ account; startMode; imagePath }.
function Get-HostServiceConfig([string]$name) {
    $key = Open-HostKey ('SYSTEM\CurrentControlSet\Services\' + $name)
    if ($null -eq $key) { return @{ account = ''; startMode = ''; imagePath = '' } }
    $mode = $key.GetValue('Start'); if ($null -eq $mode) { $mode = 5 }
    @{ account = [string]$key.GetValue('ObjectName', ''); imagePath = [string]$key.GetValue('ImagePath', ''); startMode = @('boot', 'system', 'auto', 'manual', 'disabled', '')[$mode] }
}

function Get-HostServiceController([string]$name) {
    Add-Type -AssemblyName System.ServiceProcess
    New-Object System.ServiceProcess.ServiceController $name
}

# Get-HostServiceDependents NAME: the names of the services that need it and are not stopped, to be stopped in this order.
function Get-HostServiceDependents([string]$name) {
    foreach ($d in (Get-HostServiceController $name).DependentServices) { if ([string]$d.Status -ne 'Stopped') { $d.ServiceName } }
}

# Start-HostService NAME, Stop-HostService NAME: ask the service manager, and do not wait. They throw a Win32Exception.
function Start-HostService([string]$name) { (Get-HostServiceController $name).Start() }
function Stop-HostService([string]$name) { (Get-HostServiceController $name).Stop() }

# Get-HostProcessStart ID: when the process started, or nothing when it may not be asked.
function Get-HostProcessStart([int]$id) { try { [Diagnostics.Process]::GetProcessById($id).StartTime.ToUniversalTime() } catch { } }

# --- end: below, everything runs on any system -------------------------------------------------------------------

function Get-Hex([byte[]]$b) { [BitConverter]::ToString($b).Replace('-', '').ToLowerInvariant() }

function New-Result([string]$code, [string]$message) { @{ code = $code; win32 = 0; message = $message; blob = -1 } }

# The result for an error. Without a number of Windows it tells where the error is, not what it says.
function New-Failure($e) {
    $number = 0; $x = $e.Exception; $text = ''
    while ($null -ne $x) {
        if ($x -is [ComponentModel.Win32Exception]) { $number = $x.NativeErrorCode; $text = $x.Message }
        elseif (($x.HResult -band -65536) -eq -2147024896) { $number = $x.HResult -band 65535; $text = $x.Message }
        $kind = $x.GetType().FullName
        $x = $x.InnerException
    }
    if ($number -eq 0) { $text = $kind + ' at line ' + $e.InvocationInfo.ScriptLineNumber + ' of host.ps1' }
    $code = 'failed'
    if (@(2, 3, 1060) -contains $number) { $code = 'notFound' }
    elseif ($number -eq 5) { $code = 'denied' }
    elseif (@(32, 33) -contains $number) { $code = 'sharing' }
    elseif (@(39, 112) -contains $number) { $code = 'diskFull' }
    @{ code = $code; win32 = $number; message = $text; blob = -1 }
}

# --- files

function Open-Shared([string]$path) {
    try { [IO.FileStream]::new($path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]7) }
    catch [IO.FileNotFoundException], [IO.DirectoryNotFoundException] { $null }
}

function Get-Sibling([string]$path) {
    $f = Open-Shared $path
    if ($null -eq $f) { return $null }
    try { @{ sha256 = (Get-Hex $sha.ComputeHash($f)); size = $f.Length } } finally { $f.Dispose() }
}

function Get-FileState([string]$path, [bool]$keep, [long]$most) {
    $s = @{ exists = $false; sha256 = ''; size = 0; modified = $null; readOnly = $false; attributes = 0; owner = ''; usersCanRead = ''; content = $null }
    $f = Open-Shared $path
    if ($null -ne $f) {
        try {
            $s.exists = $true; $s.size = $f.Length
            if ($keep -and ($most -eq 0 -or $f.Length -le $most)) {
                if ($f.Length -gt 33554432) { throw [ComponentModel.Win32Exception]::new(223) }   # file too large
                $s.content = [byte[]]::new([int]$f.Length); $at = 0
                while ($at -lt $s.content.Length) {
                    $got = $f.Read($s.content, $at, $s.content.Length - $at)
                    if ($got -le 0) { throw [ComponentModel.Win32Exception]::new(38) }   # it became shorter meanwhile
                    $at += $got
                }
                $s.sha256 = Get-Hex $sha.ComputeHash($s.content)
            } else { $s.sha256 = Get-Hex $sha.ComputeHash($f) }
        } finally { $f.Dispose() }
        $s.attributes = [int][IO.File]::GetAttributes($path)
        $s.readOnly = ($s.attributes -band 1) -ne 0
        $s.modified = [IO.File]::GetLastWriteTimeUtc($path)
        try { $access = Get-HostAccess $path; $s.owner = $access.owner; $s.usersCanRead = $access.usersCanRead } catch { }
    }
    $s.staged = Get-Sibling ($path + '.meshrotate-new')
    $s.backup = Get-Sibling ($path + '.meshrotate-old')
    $s
}

function New-FileResult([string]$code, $state, [string]$message, [int]$number) {
    $r = New-Result $code $message
    $r.win32 = $number; $r.file = $state
    $r
}

function Write-Staged([string]$path, [bool]$exists, [byte[]]$content) {
    $new = $path + '.meshrotate-new'
    [IO.File]::Delete($new)
    if ($exists) { $f = New-HostFile $new $path } else { $f = [IO.FileStream]::new($new, [IO.FileMode]::CreateNew, [IO.FileAccess]::Write, [IO.FileShare]::None) }
    try { try { $f.Write($content, 0, $content.Length); $f.Flush($true) } finally { $f.Dispose() } }
    catch { [IO.File]::Delete($new); throw }
}

# Puts FROM in the place of TO, with some patience for a process that is about to close the file. Whatever an error
# says, the hash tells what happened; and a file that is only in its backup (1177) is put back.
function Set-Live([string]$from, [string]$to, [string]$backup, $state, [string]$want) {
    for ($try = 1; ; $try++) {
        try {
            if ($state.exists) { Invoke-HostReplace $from $to $backup } else { [IO.File]::Move($from, $to) }
            break
        } catch {
            $number = (New-Failure $_).win32
            $live = Get-Sibling $to
            if ($null -ne $live -and $live.sha256 -eq $want) { break }
            if ($null -eq $live -and $state.exists -and [IO.File]::Exists($backup)) { [IO.File]::Move($backup, $to) }
            if (@(32, 33, 1175, 1176, 1177) -notcontains $number -or $try -ge 10) { throw }
            [Threading.Thread]::Sleep(150)
        }
    }
    [IO.File]::SetLastWriteTimeUtc($to, [DateTime]::UtcNow)
}

function Get-Proven([string]$path, [string]$code, [string]$want) {
    $s = Get-FileState $path $false
    if ($s.sha256 -eq $want) { return New-FileResult $code $s '' 0 }
    New-FileResult 'failed' $s 'the file is not what was written' 0
}

function Invoke-FileRead($a, $path) {
    $s = Get-FileState $path (-not $a.hashOnly) $a.most
    if ($null -ne $a.any -and @($a.any) -notcontains $s.sha256) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    New-FileResult 'ok' $s '' 0
}

function Invoke-FileStage($a, $path, [byte[]]$content) {
    $s = Get-FileState $path $false; $hash = Get-Hex $sha.ComputeHash($content)
    if ($s.sha256 -ne $a.expect) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    if ($s.readOnly) { return New-FileResult 'denied' $s 'the file is read-only' 5 }
    if ($null -ne $s.staged -and $s.staged.sha256 -eq $hash) { return New-FileResult 'unchanged' $s '' 0 }
    if (-not [IO.Directory]::Exists([IO.Path]::GetDirectoryName($path))) { return New-FileResult 'notFound' $s 'there is no such folder' 3 }
    if ((Get-HostFreeSpace $path) -lt $content.Length + 65536) { return New-FileResult 'diskFull' $s 'not enough space' 112 }
    Write-Staged $path $s.exists $content
    $r = Get-Proven $path 'ok' $a.expect
    if ($null -eq $r.file.staged -or $r.file.staged.sha256 -ne $hash) { $r.code = 'failed'; $r.message = 'the staged file is not what was written' }
    $r
}

function Invoke-FileSwap($a, $path) {
    $new = $path + '.meshrotate-new'
    $s = Get-FileState $path $false
    if ($s.exists -and $s.sha256 -eq $a.staged) { [IO.File]::Delete($new); return Get-Proven $path 'unchanged' $a.staged }
    if ($s.sha256 -ne $a.expect) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    if ($null -eq $s.staged) { return New-FileResult 'notFound' $s 'nothing is staged' 2 }
    if ($s.staged.sha256 -ne $a.staged) { return New-FileResult 'conflict' $s 'the staged file is not as expected' 0 }
    if ($s.readOnly) { return New-FileResult 'denied' $s 'the file is read-only' 5 }
    Set-Live $new $path ($path + '.meshrotate-old') $s $a.staged
    Get-Proven $path 'ok' $a.staged
}

function Invoke-FileRestore($a, $path) {
    $new = $path + '.meshrotate-new'; $old = $path + '.meshrotate-old'
    $s = Get-FileState $path $false
    if ($s.sha256 -eq $a.backup) {
        if ($null -ne $s.backup -and $s.backup.sha256 -eq $a.backup) { [IO.File]::Delete($old) }
        return Get-Proven $path 'unchanged' $a.backup
    }
    if ($s.sha256 -ne $a.expect) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    if ($s.readOnly) { return New-FileResult 'denied' $s 'the file is read-only' 5 }
    if ($a.backup -eq '') { [IO.File]::Delete($path); return Get-Proven $path 'ok' '' }
    if ($null -eq $s.backup) { return New-FileResult 'notFound' $s 'there is no backup' 2 }
    if ($s.backup.sha256 -ne $a.backup) { return New-FileResult 'conflict' $s 'the backup is not as expected' 0 }
    Set-Live $old $path $new $s $a.backup
    [IO.File]::Delete($new)
    Get-Proven $path 'ok' $a.backup
}

function Invoke-FileDiscard($a, $path) {
    $s = Get-FileState $path $false
    if ($a.which -eq 'backup') { $left = $s.backup; $name = $path + '.meshrotate-old' } else { $left = $s.staged; $name = $path + '.meshrotate-new' }
    if ($null -eq $left) { return New-FileResult 'unchanged' $s '' 0 }
    if ($a.sha256 -ne '' -and $left.sha256 -ne $a.sha256) { return New-FileResult 'conflict' $s 'the leftover is not as expected' 0 }
    [IO.File]::Delete($name)
    Get-Proven $path 'ok' $s.sha256
}

# One op on a file at a time, on this host, whoever asks.
function Invoke-File($item, $blobs) {
    $a = $item.args
    $path = Resolve-HostPath $a.path
    if (-not [IO.Path]::IsPathRooted($path)) { $r = New-Result 'failed' 'the path is not absolute'; $r.win32 = 161; return $r }
    if ($item.op -eq 'file.read') { return Invoke-FileRead $a $path }
    $name = Get-Hex $sha.ComputeHash([Text.Encoding]::UTF8.GetBytes($path.ToLowerInvariant()))
    $mutex = [Threading.Mutex]::new($false, 'Global\meshrotate-' + $name.Substring(0, 32))
    try {
        try { $mine = $mutex.WaitOne(30000) } catch [Threading.AbandonedMutexException] { $mine = $true }
        if (-not $mine) { return New-Result 'timeout' 'another session is changing the file' }
        try {
            if ($item.op -eq 'file.stage') { return Invoke-FileStage $a $path $blobs[$item.blob] }
            if ($item.op -eq 'file.swap') { return Invoke-FileSwap $a $path }
            if ($item.op -eq 'file.restore') { return Invoke-FileRestore $a $path }
            Invoke-FileDiscard $a $path
        } finally { $mutex.ReleaseMutex() }
    } finally { $mutex.Dispose() }
}

# --- services

function Get-ServiceState([string]$name) {
    $s = @{ installed = $false; state = ''; pid = 0; startedAt = $null; account = ''; startMode = ''; exitCode = 0; imagePath = ''; environment = @(); dependents = @() }
    $status = Get-HostServiceStatus $name
    if ($null -eq $status) { return $s }
    $config = Get-HostServiceConfig $name
    $s.installed = $true; $s.state = $status.state; $s.pid = $status.processId
    if (@('running', 'startPending') -notcontains $s.state) { $s.exitCode = $status.exitCode }
    $s.account = $config.account; $s.startMode = $config.startMode; $s.imagePath = $config.imagePath
    if ($s.pid -ne 0) { $s.startedAt = Get-HostProcessStart $s.pid }
    $s.environment = @((Get-HostEnvironment $name).Keys)
    $s.dependents = @(Get-HostServiceDependents $name)
    [Array]::Reverse($s.dependents)
    $s
}

# Waits until the service is in one of the states, and returns its status; nothing when the time is over.
function Wait-State([string]$name, [string[]]$states, [DateTime]$deadline) {
    while ($true) {
        $status = Get-HostServiceStatus $name
        if ($null -eq $status) { throw [ComponentModel.Win32Exception]::new(1060) }
        if ($states -contains $status.state) { return $status }
        if ([DateTime]::UtcNow -ge $deadline) { return $null }
        [Threading.Thread]::Sleep(50)
    }
}

function Get-Deadline([int]$seconds) { if ($seconds -le 0) { $seconds = 60 }; [DateTime]::UtcNow.AddSeconds($seconds) }

function Stop-One([string]$name, [DateTime]$deadline) {
    $status = Wait-State $name @('stopped', 'stopPending', 'running', 'paused') $deadline   # a start under way is waited for
    if ($null -eq $status) { return New-Result 'timeout' 'the service did not stop in time' }
    if ($status.state -eq 'stopped') { return New-Result 'unchanged' '' }
    if ($status.state -ne 'stopPending') {
        try { Stop-HostService $name } catch { $r = New-Failure $_; if (@(1061, 1062) -notcontains $r.win32) { return $r } }
    }
    if ($null -eq (Wait-State $name @('stopped') $deadline)) { return New-Result 'timeout' 'the service did not stop in time' }
    New-Result 'ok' ''
}

function Invoke-ServiceStop($a) {
    $begin = [DateTime]::UtcNow; $deadline = Get-Deadline $a.timeoutSeconds
    $dependents = @(Get-HostServiceDependents $a.name)
    foreach ($name in $dependents + $a.name) {
        $r = Stop-One $name $deadline
        if (@('ok', 'unchanged') -notcontains $r.code) { break }
    }
    $s = Get-ServiceState $a.name
    [Array]::Reverse($dependents)
    $s.begin = $begin; $s.end = [DateTime]::UtcNow; $s.dependents = $dependents; $r.service = $s
    $r
}

function Start-One([string]$name, [DateTime]$deadline, [int]$stable) {
    $code = 'unchanged'
    $status = Wait-State $name @('stopped', 'startPending', 'running', 'paused', 'pausePending', 'continuePending') $deadline
    if ($null -ne $status -and $status.state -eq 'stopped') {
        $code = 'ok'
        try { Start-HostService $name } catch { $r = New-Failure $_; if ($r.win32 -ne 1056) { return $r } }
    }
    if ($null -ne $status) { $status = Wait-State $name @('stopped', 'stopPending', 'running', 'paused') $deadline }
    if ($null -eq $status) { return New-Result 'timeout' 'the service did not start in time' }
    $id = $status.processId; $since = Get-HostProcessStart $id
    if ($null -eq $since) { $since = [DateTime]::UtcNow }
    while ($status.state -eq 'running' -and $status.processId -eq $id -and ([DateTime]::UtcNow - $since).TotalSeconds -lt $stable) {
        [Threading.Thread]::Sleep(50)
        $status = Get-HostServiceStatus $name
    }
    if ($status.state -eq 'running' -and $status.processId -eq $id) { return New-Result $code '' }
    $r = New-Result 'failed' 'the service stopped by itself'
    $r.win32 = $status.exitCode
    $r
}

function Invoke-ServiceStart($a) {
    $begin = [DateTime]::UtcNow
    $r = Start-One $a.name (Get-Deadline $a.timeoutSeconds) $a.stableSeconds
    foreach ($name in $a.dependents) {
        if (@('ok', 'unchanged') -notcontains $r.code) { break }
        $d = Start-One $name (Get-Deadline $a.timeoutSeconds) 0
        if ($d.code -ne 'unchanged') { $r = $d; if ($d.code -ne 'ok') { $r.message = 'dependent ' + $name + ': ' + $d.message } }
    }
    $s = Get-ServiceState $a.name
    $s.begin = $begin; $s.end = [DateTime]::UtcNow; $r.service = $s
    $r
}

function Invoke-Service($item) {
    $a = $item.args
    if ($item.op -eq 'service.query') { $r = New-Result 'ok' ''; $r.service = Get-ServiceState $a.name; return $r }
    if ($null -eq (Get-HostServiceStatus $a.name)) { throw [ComponentModel.Win32Exception]::new(1060) }
    if ($item.op -eq 'service.stop') { return Invoke-ServiceStop $a }
    Invoke-ServiceStart $a
}

# --- environment, machine, logs

# The variables that win over keys, as .NET's configuration reads an environment.
function Get-Overrides($table, $keys) {
    $v = @{ overrides = @(); prefixed = @(); dotnetEnvironment = ''; aspnetcoreEnvironment = '' }
    foreach ($name in $table.Keys) {
        $rest = [regex]::Replace($name, '(?i)^(DOTNET|ASPNETCORE)_(?=.)', '')
        $forms = foreach ($n in @($name, $rest)) { [regex]::Replace($n, '(?i)^(CUSTOM|SQL|SQLAZURE|MYSQL)CONNSTR_(?=.)', 'ConnectionStrings:').Replace('__', ':') }
        if ($name -eq 'DOTNET_ENVIRONMENT') { $v.dotnetEnvironment = $table[$name] }
        elseif ($name -eq 'ASPNETCORE_ENVIRONMENT') { $v.aspnetcoreEnvironment = $table[$name] }
        elseif (@($keys) -contains $forms[0]) { $v.overrides += $name }
        elseif (@($keys) -contains $forms[1]) { $v.prefixed += $name }
    }
    [Array]::Sort($v.overrides, [StringComparer]::Ordinal); [Array]::Sort($v.prefixed, [StringComparer]::Ordinal)
    $v
}

function Invoke-Environment($a) {
    $r = New-Result 'ok' ''
    $r.environment = @{ machine = (Get-Overrides (Get-HostEnvironment '') $a.keys) }
    if ($a.service -ne '') { $r.environment.service = Get-Overrides (Get-HostEnvironment $a.service) $a.keys }
    $r
}

function Invoke-Identity {
    $m = Get-HostIdentity
    $m.computerName = [Environment]::MachineName; $m.osVersion = [Environment]::OSVersion.Version.ToString()
    $m.psVersion = $PSVersionTable.PSVersion.ToString(); $m.languageMode = [string]$ExecutionContext.SessionState.LanguageMode
    $m.utcNow = [DateTime]::UtcNow
    $r = New-Result 'ok' ''
    $r.machine = $m
    $r
}

# A log is known by the bytes at its head: names come back, and so do creation times when a file is made anew.
function Get-LogIdentity($f, [int]$n) {
    $b = [byte[]]::new($n); $at = 0
    [void]$f.Seek(0, [IO.SeekOrigin]::Begin)
    while ($at -lt $n) { $got = $f.Read($b, $at, $n - $at); if ($got -le 0) { return '' }; $at += $got }
    "$n-" + (Get-Hex $sha.ComputeHash($b))
}

function Invoke-Log($item) {
    $a = $item.args; $r = New-Result 'ok' ''
    $l = @{ exists = $false; identity = ''; offset = 0; rotated = $false; matched = $false; time = '' }
    $r.log = $l
    $match = $item.op -eq 'log.match'
    if ($match) {
        try { $pattern = [regex]::new($a.pattern, [Text.RegularExpressions.RegexOptions]::CultureInvariant, [TimeSpan]::FromSeconds(2)) }
        catch { return New-Result 'failed' 'the pattern is not a regular expression' }
        $l.rotated = $a.identity -ne ''
    }
    $f = Open-Shared (Resolve-HostPath $a.path)
    if ($null -eq $f) { return $r }
    try {
        $l.exists = $true; $l.offset = $f.Length
        $l.identity = Get-LogIdentity $f ([int][Math]::Min(1024, $f.Length))
        if (-not $match) { return $r }
        $from = 0
        if ($a.identity -ne '' -and $a.offset -le $f.Length -and (Get-LogIdentity $f ([int]$a.identity.Split('-')[0])) -eq $a.identity) {
            $l.rotated = $false; $from = $a.offset
        }
        [void]$f.Seek($from, [IO.SeekOrigin]::Begin)
        $lines = [IO.StreamReader]::new($f, [Text.Encoding]::UTF8)
        while ($null -ne ($line = $lines.ReadLine()) -and $f.Position - $from -le 16842752) {
            if (-not $pattern.IsMatch($line)) { continue }
            $l.matched = $true
            $l.time = [regex]::Match($line, '^\[?([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)').Groups[1].Value
        }
    } finally { $f.Dispose() }
    $r
}

# --- frames

function Read-Frame {
    $head = [byte[]]::new(24)
    if (-not (Read-Into $head 0)) { return $null }
    $text = [BitConverter]::ToInt32($head, 16); $count = [BitConverter]::ToInt32($head, 20)
    if ($text -lt 0 -or $text -gt 2097152 -or $count -lt 0 -or $count -gt 4096) { exit 76 }
    $table = [byte[]]::new(4 * $count)
    if (-not (Read-Into $table 0)) { exit 76 }
    $begin = 24 + 4 * $count; [long]$total = $begin + $text + 32
    for ($i = 0; $i -lt $count; $i++) {
        $n = [BitConverter]::ToInt32($table, 4 * $i); $total += $n
        if ($n -lt 0 -or $total -gt 67108864) { exit 76 }
    }
    $all = [byte[]]::new([int]$total)
    [Buffer]::BlockCopy($head, 0, $all, 0, 24); [Buffer]::BlockCopy($table, 0, $all, 24, 4 * $count)
    if (-not (Read-Into $all $begin)) { exit 76 }
    if ([BitConverter]::ToString($sha.ComputeHash($all, 0, [int]$total - 32)) -ne [BitConverter]::ToString($all, [int]$total - 32)) { exit 76 }
    $blobs = [Collections.Generic.List[byte[]]]::new(); $at = $begin + $text
    for ($i = 0; $i -lt $count; $i++) {
        $n = [BitConverter]::ToInt32($table, 4 * $i); $b = [byte[]]::new($n)
        [Buffer]::BlockCopy($all, $at, $b, 0, $n); $blobs.Add($b); $at += $n
    }
    $request = ConvertFrom-Json -InputObject ([Text.Encoding]::UTF8.GetString($all, $begin, $text))
    [Array]::Clear($all, 0, $all.Length)
    @{ head = $head; request = $request; blobs = $blobs }
}

# ConvertTo-Json writes some arrays of 5.1 as objects, and its argument is logged. This writes ASCII.
function Add-Json($out, $v) {
    if ($null -eq $v) { [void]$out.Append('null') }
    elseif ($v -is [string]) {
        [void]$out.Append('"')
        if (-not [regex]::IsMatch($v, '[^ !#-\[\]-~]')) { [void]$out.Append($v) }
        else { foreach ($c in $v.ToCharArray()) { if ([regex]::IsMatch($c, '[ !#-\[\]-~]')) { [void]$out.Append($c) } else { [void]$out.AppendFormat('\u{0:x4}', [int]$c) } } }
        [void]$out.Append('"')
    }
    elseif ($v -is [bool]) { if ($v) { [void]$out.Append('true') } else { [void]$out.Append('false') } }
    elseif ($v -is [DateTime]) { [void]$out.Append('"' + $v.ToUniversalTime().ToString('o') + '"') }
    elseif ($v -is [Collections.IDictionary]) {
        $mark = '{'
        foreach ($k in $v.Keys) { [void]$out.Append($mark + '"' + $k + '":'); Add-Json $out $v[$k]; $mark = ',' }
        if ($mark -eq '{') { [void]$out.Append('{') }
        [void]$out.Append('}')
    }
    elseif ($v -is [Collections.IEnumerable]) {
        $mark = '['
        foreach ($x in $v) { [void]$out.Append($mark); Add-Json $out $x; $mark = ',' }
        if ($mark -eq '[') { [void]$out.Append('[') }
        [void]$out.Append(']')
    }
    else { [void]$out.Append(([IFormattable]$v).ToString($null, [Globalization.CultureInfo]::InvariantCulture)) }
}

function Write-Frame($head, $results) {
    $blobs = [Collections.Generic.List[byte[]]]::new()
    foreach ($r in $results) {
        if ($r.ContainsKey('file') -and $r.file.ContainsKey('content')) {
            if ($null -ne $r.file.content) { $r.blob = $blobs.Count; $blobs.Add($r.file.content) }
            $r.file.Remove('content')
        }
    }
    $json = [Text.StringBuilder]::new()
    Add-Json $json @{ results = $results }
    $text = [Text.Encoding]::ASCII.GetBytes($json.ToString())
    $out = [IO.MemoryStream]::new()
    $out.Write($head, 0, 16)
    $out.Write([BitConverter]::GetBytes($text.Length), 0, 4); $out.Write([BitConverter]::GetBytes($blobs.Count), 0, 4)
    foreach ($b in $blobs) { $out.Write([BitConverter]::GetBytes($b.Length), 0, 4) }
    $out.Write($text, 0, $text.Length)
    foreach ($b in $blobs) { $out.Write($b, 0, $b.Length); [Array]::Clear($b, 0, $b.Length) }
    $digest = $sha.ComputeHash($out.GetBuffer(), 0, [int]$out.Length)
    $out.Write($digest, 0, 32)
    $hostOut.Write($out.GetBuffer(), 0, [int]$out.Length)
    $hostOut.Flush()
}

function Invoke-Op($item, $blobs) {
    if (@('file.read', 'file.stage', 'file.swap', 'file.restore', 'file.discard') -contains $item.op) { return Invoke-File $item $blobs }
    if (@('service.query', 'service.stop', 'service.start') -contains $item.op) { return Invoke-Service $item }
    if (@('log.mark', 'log.match') -contains $item.op) { return Invoke-Log $item }
    if ($item.op -eq 'environment.read') { return Invoke-Environment $item.args }
    if ($item.op -eq 'machine.identity') { return Invoke-Identity }
    New-Result 'unsupported' 'unknown op'
}

while ($true) {
    $frame = Read-Frame
    if ($null -eq $frame) { exit 0 }
    $results = [Collections.ArrayList]::new(); $stop = $false
    foreach ($item in @($frame.request.ops)) {
        if ($stop) { $r = New-Result 'skipped' '' }
        else { try { $r = Invoke-Op $item $frame.blobs } catch { $r = New-Failure $_ } }
        if (-not $frame.request.all -and @('ok', 'unchanged') -notcontains $r.code) { $stop = $true }
        [void]$results.Add($r)
    }
    foreach ($b in $frame.blobs) { [Array]::Clear($b, 0, $b.Length) }
    Write-Frame $frame.head $results
}
