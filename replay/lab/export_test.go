package lab

// GuestPID returns the process ID of the bridge's guest; its process group has
// the same number.
func (b *Bridge) GuestPID() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.guest.process.Pid
}
