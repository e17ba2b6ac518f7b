//! [`Mapper`]: the messages of one sandbox become events.
