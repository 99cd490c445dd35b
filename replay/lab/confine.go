package lab

func confine(files guestFiles) error { return nil }
