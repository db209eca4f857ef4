-- Media in no asset. It also has states made anew, which now tell until when a medium was in service.
CREATE INDEX medium_loose ON medium(stream) WHERE asset IS NULL;
